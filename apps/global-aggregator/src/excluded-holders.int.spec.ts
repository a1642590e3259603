import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { PATIENT, type Trial, Trials } from './trial.support.ts';

jest.setTimeout(180_000);

const trials = new Trials({ createDatabase: testDatabase, startNats, temporaryFolder });
const begin = trials.begin.bind(trials);
afterEach(() => trials.end());

/** The holder at this place, made to deal wrong shares and to answer wrongly. */
function badDealer({ holders }: Trial, place: number) {
  const holder = holders[place];
  if (holder?.masking === undefined) throw new Error('no masking');
  holder.masking.spoil = (kind) => kind === 'shares' || kind === 'answer';
  return { holder, masking: holder.masking, name: holder.member.holder };
}

async function expectSound(trial: Trial): Promise<void> {
  expect(await trial.wrongSums()).toEqual([]);
  expect((await trial.verify()).findings).toEqual([]);
}

async function entriesOf(trial: Trial, kind: string): Promise<Record<string, unknown>[]> {
  const entries = (await trial.ledgerEntries()).filter((entry) => entry.kind === kind);
  return entries.map(({ body }) => JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>);
}

const excludedLines = ({ services }: Trial) =>
  services.flatMap(({ log }) => log.filter(({ msg }) => msg === 'holders excluded from the rounds to come'));

describe('a holder that deals wrong shares', () => {
  it('costs one round: the others set the secure sum up anew, and let in who came late', async () => {
    const trial = await begin({
      ...{ regions: { north: 4, south: 3 }, minSurvivors: 5, quorum: 5, rounds: 2, spareRounds: 1 },
      ...{ regionalDeadlineMs: 6000, globalDeadlineMs: 8000, waitWithJoining: true },
    });
    await trial.startGlobal();
    const bad = badDealer(trial, 2);
    const late = trial.holders.at(-1);
    const [first] = trial.holders;
    if (first === undefined || late === undefined) throw new Error('no holders');
    for (const { masking } of trial.holders.slice(0, -1)) await masking?.join();
    first.script = async (self, task) => {
      if (task.index === 1) await late.masking?.join();
      if (task.index === 2) await bad.holder.send(await bad.holder.update(task, 1, await self.payload(task)));
      await self.send(await self.update(task));
    };
    await trial.requestStart();
    await trial.completed();
    expect(await trial.outcomes()).toEqual([
      ['model', 'abandoned', 6],
      ['model', 'released', 6],
      ['model', 'released', 6],
      ['benchmarks', 'released', 6],
    ]);
    const reason = `the shares of member 2 do not give what it committed to; excluded: ${bad.name}`;
    expect((await trial.rounds())[0]?.reason).toBe(reason);
    expect((await entriesOf(trial, 'round.closed'))[0]).toMatchObject({ outcome: 'abandoned', reason });
    expect(excludedLines(trial)).toEqual([expect.objectContaining({ holders: [bad.name] })]);
    expect(first.tasks.map(({ block, absent }) => [block, absent])).toEqual([
      [undefined, [6]],
      ...Array.from({ length: 3 }, () => [2, [2]]),
    ]);
    expect([bad.holder.tasks.length, late.tasks.length]).toEqual([1, 3]);
    expect(bad.holder.receipts.map(({ verdict, reason: why }) => [verdict, why])).toEqual([
      ['accepted', undefined],
      ['rejected', 'this holder is not in the secure sum of the round'],
    ]);
    expect(bad.masking.standing).toMatchObject({ block: 2, excluded: true });
    await expectSound(trial);
  });

  it('costs one round though global-aggregator dies at every step from the failure to the next round', async () => {
    const points = [
      ...['closing', 'closed'],
      ...['hello', 'shares'].flatMap((phase) => [`masking-unsaved-${phase}`, `masking-saved-${phase}`]),
    ];
    const trial = await begin(
      { regions: { north: 3, south: 2 }, minSurvivors: 4, quorum: 4, rounds: 1, spareRounds: 1, ...PATIENT },
      points[0],
    );
    badDealer(trial, 4);
    await trial.requestStart();
    expect(await trial.endGlobalAt(points)).toEqual(points.map(() => 'SIGKILL'));
    await trial.completed();
    expect((await trial.outcomes()).map(([, ...rest]) => rest)).toEqual([
      ['abandoned', 5],
      ['released', 4],
      ['released', 4],
    ]);
    expect(await entriesOf(trial, 'privacy.committed')).toHaveLength(5 + 4 + 4);
    await expectSound(trial);
  });

  it('ends the federation when too few are left without it', async () => {
    const trial = await begin({ minSurvivors: 3, quorum: 4, rounds: 2, spareRounds: 2 });
    const { name } = badDealer(trial, 0);
    await trial.requestStart();
    await trial.completed();
    const rounds = await trial.rounds();
    expect(rounds.map(({ status, reason }) => [status, reason])).toEqual([
      ['abandoned', expect.stringContaining(`excluded: ${name}`)],
    ]);
    expect(await entriesOf(trial, 'federation.completed')).toMatchObject([{ reason: 'ended_early', rounds: 0 }]);
    expect(await entriesOf(trial, 'privacy.committed')).toHaveLength(4);
    await expectSound(trial);
  });
});

describe('a holder whose seal the helper cannot open', () => {
  it('costs one round and hears of it', async () => {
    const trial = await begin({
      ...{ protocol: 'two-servers', regions: { north: 4, south: 3 }, minSurvivors: 4, quorum: 4 },
      ...{ rounds: 2, spareRounds: 1, waitWithJoining: true, ...PATIENT },
    });
    const [, bad] = trial.holders;
    if (bad === undefined) throw new Error('no holders');
    bad.script = async (self, task) => {
      const payload = await self.payload(task);
      await self.send(
        await self.update(
          task,
          1,
          payload.map((byte, i) => (i === payload.length - 1 ? byte ^ 1 : byte)),
        ),
      );
    };
    await trial.startHelper();
    await trial.requestStart();
    await trial.completed();
    expect((await trial.outcomes()).map(([, ...rest]) => rest)).toEqual([
      ['abandoned', 7],
      ...Array.from({ length: 3 }, () => ['released', 6]),
    ]);
    const { holder } = bad.member;
    const reason = `the helper cannot open what member 1 sealed; excluded: ${holder}`;
    expect((await trial.rounds())[0]?.reason).toBe(reason);
    expect(excludedLines(trial)).toEqual([expect.objectContaining({ holders: [holder] })]);
    expect(bad.tasks).toHaveLength(1);
    await trial.until('the holder has heard of it', () => bad.masking?.standing.excluded === true);
    await expectSound(trial);
  });
});
