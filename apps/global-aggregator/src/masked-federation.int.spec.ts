import { signMasking, type Update } from '@fedcarbon/contracts';
import { fromBase64Url } from '@fedcarbon/kernel';
import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { PATIENT, type Trial, Trials } from './trial.support.ts';

jest.setTimeout(180_000);

const trials = new Trials({ createDatabase: testDatabase, startNats, temporaryFolder });
const begin = trials.begin.bind(trials);
afterEach(() => trials.end());

const expectRightSums = async (trial: Trial) => {
  expect(await trial.wrongSums()).toEqual([]);
};
const outcomes = (trial: Trial) => trial.outcomes();

describe('a federation of scripted holders under a secure sum', () => {
  it('runs its rounds, opens the right sums, and leaves a sound ledger', async () => {
    const trial = await begin({ minSurvivors: 3, quorum: 3 });
    expect(await trial.requestStart()).toEqual({ kind: 'started' });
    expect(await trial.requestStart()).toEqual({ kind: 'started' });
    await trial.completed();
    expect(await outcomes(trial)).toEqual([
      ['model', 'released', 4],
      ['model', 'released', 4],
      ['model', 'released', 4],
      ['benchmarks', 'released', 4],
    ]);
    await expectRightSums(trial);
    const verification = await trial.verify();
    expect(verification.findings).toEqual([]);
    expect(verification.verdict).toBe('sound');
    for (const service of trial.services) expect(await service.stop()).toBe(0);
  });

  it('opens exactly the sums that enough holders sign and answer for, and abandons the others', async () => {
    // Of 7 holders 5 are needed in every phase.
    const trial = await begin({
      ...{ regions: { north: 4, south: 3 }, minSurvivors: 5, quorum: 5, rounds: 4, spareRounds: 3 },
      ...{ regionalDeadlineMs: 4000, globalDeadlineMs: 8000, unmaskDeadlineMs: 3000 },
    });
    // By round: from which kind of message on how many holders are silent.
    const silence: Record<number, ['masked' | 'consent' | 'answer', number]> = {
      2: ['masked', 3],
      3: ['masked', 2],
      4: ['consent', 3],
      5: ['consent', 2],
      6: ['answer', 3],
      7: ['answer', 2],
    };
    trial.holders.forEach((holder, place) => {
      // Other holders in every round, of both regions.
      const isSilent = (index: number) => (place + index) % 7 < (silence[index]?.[1] ?? 0);
      holder.script = async (self, task) => {
        const update = await self.update(task);
        if (!(isSilent(task.index) && silence[task.index]?.[0] === 'masked')) await self.send(update);
      };
      if (holder.masking === undefined) throw new Error('no masking');
      holder.masking.mute = (kind, index) => {
        if (index === undefined || !isSilent(index)) return false;
        const from = silence[index]?.[0];
        return from === 'consent' ? kind === 'consent' || kind === 'answer' : from === 'answer' && kind === 'answer';
      };
    });
    await trial.requestStart();
    await trial.completed();
    const rounds = await trial.rounds();
    expect(rounds.map(({ status, participants }) => [status, participants])).toEqual([
      ['released', 7],
      ['abandoned', 4],
      ['released', 5],
      ['abandoned', 7],
      ['released', 7],
      ['abandoned', 7],
      ['released', 7],
      ['released', 7],
    ]);
    expect(rounds.map(({ reason }) => reason).filter((reason) => reason !== undefined)).toEqual([
      '4 survivors, at least 5 are needed',
      '4 signatures for the survivors, 5 are needed',
      '4 answers are not enough to take the masks off',
    ]);
    await expectRightSums(trial);
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('goes on without those that do not exchange keys, and tells the regions', async () => {
    const trial = await begin({
      ...{ regions: { north: 4, south: 3 }, minSurvivors: 5, quorum: 5, rounds: 1, spareRounds: 0 },
      ...{ regionalDeadlineMs: 4000, globalDeadlineMs: 5000, waitWithJoining: true },
    });
    const [never, falters, ...others] = trial.holders;
    if (falters?.masking === undefined) throw new Error('no masking');
    falters.masking.mute = (kind) => kind === 'shares';
    for (const { masking } of [falters, ...others]) await masking?.join();
    await trial.requestStart();
    await trial.completed();
    expect(await outcomes(trial)).toEqual([
      ['model', 'released', 5],
      ['benchmarks', 'released', 5],
    ]);
    await expectRightSums(trial);
    expect(never?.tasks).toEqual([]);
    expect(falters.tasks).toEqual([]);
    expect(others[0]?.tasks.map(({ absent }) => absent)).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('ends without a round when too few exchange keys', async () => {
    const trial = await begin({
      minSurvivors: 3,
      quorum: 3,
      regionalDeadlineMs: 1000,
      globalDeadlineMs: 2000,
      waitWithJoining: true,
    });
    for (const { masking } of trial.holders.slice(2)) await masking?.join();
    await trial.requestStart();
    await trial.completed();
    expect(await trial.rounds()).toEqual([]);
    const kinds = (await trial.ledgerEntries()).map(({ kind }) => kind);
    expect(kinds).toEqual(['federation.opened', 'federation.completed']);
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('takes every message twice, and replayed ones of earlier rounds, for what they are', async () => {
    const trial = await begin({ minSurvivors: 3, quorum: 3 });
    const earlier: Update[] = [];
    for (const holder of trial.holders) {
      if (holder.masking === undefined) throw new Error('no masking');
      holder.masking.copies = 2;
      holder.script = async (self, task) => {
        const update = await self.update(task);
        for (const old of earlier) if (old.holder === update.holder) await self.send(old, `replay ${task.roundId}`);
        // A masked message under the name of another round.
        const first = earlier.find((old) => old.holder === update.holder && task.index === 2);
        if (first !== undefined) await self.send(await self.update(task, 2, fromBase64Url(first.payload)));
        earlier.push(update);
        await self.send(update);
        await self.send(update, `again ${task.roundId}`);
      };
    }
    await trial.requestStart();
    await trial.completed();
    expect((await outcomes(trial)).map(([, ...rest]) => rest)).toEqual(
      Array.from({ length: 4 }, () => ['released', 4]),
    );
    await expectRightSums(trial);
    for (const { receipts } of trial.holders) {
      const rejected = receipts.filter(({ verdict }) => verdict === 'rejected');
      expect(rejected.map(({ attempt, reason }) => [attempt, reason])).toEqual([
        [2, expect.stringMatching(/for round 1, found/)],
      ]);
    }
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('refuses what holders may not say to the coordinator', async () => {
    const trial = await begin({ minSurvivors: 3, quorum: 3, rounds: 1 });
    const [bad, other] = trial.holders;
    if (bad?.masking === undefined || other === undefined) throw new Error('no holders');
    const { planHash, signer } = {
      planHash: trial.federation.planHash,
      signer: (name: string) => trial.federation.signer(name),
    };
    const own = signer(`holder-${bad.member.holder}`);
    bad.script = async (self, task) => {
      const update = await self.update(task);
      const masked = fromBase64Url(update.payload);
      await bad.masking?.publish(signMasking(planHash, masked, own));
      await bad.masking?.publish(signMasking('f'.repeat(64), masked, own));
      await bad.masking?.publish(signMasking(planHash, masked, signer(`holder-${other.member.holder}`)));
      await bad.masking?.publish({ payload: new Uint8Array(3), signature: new Uint8Array(0) });
      await self.send(update);
    };
    await trial.requestStart();
    await trial.completed();
    expect((await outcomes(trial)).map(([, ...rest]) => rest)).toEqual([
      ['released', 4],
      ['released', 4],
    ]);
    const refused = trial.services.flatMap(({ log }) => log.filter(({ msg }) => msg === 'message refused'));
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['invalid_input', 'bad_signature']));
    expect((await trial.verify()).findings).toEqual([]);
  });
});

describe('a masked federation whose services are killed', () => {
  const phases = ['hello', 'shares', 'masked', 'consent', 'answer'] as const;

  it('completes after global-aggregator died before and after the commit of every phase', async () => {
    const points = [
      ...phases.flatMap((phase) => [`masking-unsaved-${phase}`, `masking-saved-${phase}`]),
      'closing',
      'closed',
    ];
    const trial = await begin({ minSurvivors: 3, quorum: 4, rounds: 5, ...PATIENT }, points[0]);
    expect(await trial.endGlobalAt(points)).toEqual(points.map(() => 'SIGKILL'));
    await trial.completed();
    expect((await trial.rounds()).map(({ status, participants }) => [status, participants])).toEqual(
      Array.from({ length: 6 }, () => ['released', 4]),
    );
    await expectRightSums(trial);
    expect((await trial.verify()).findings).toEqual([]);
    expect((await trial.ledgerEntries()).filter(({ kind }) => kind === 'privacy.committed')).toHaveLength(24);
  });

  it('completes after regional-aggregator died between any two steps', async () => {
    const points = ['round-stored', 'settling', 'update-stored', 'reported'];
    const trial = await begin({
      ...{ regions: { north: 3 }, minSurvivors: 3, quorum: 3, rounds: 4 },
      ...PATIENT,
    });
    await trial.services.find(({ app }) => app === 'regional-aggregator')?.kill();
    await trial.requestStart();
    for (const point of points) {
      const dying = await trial.startRegional(['north'], point);
      expect(await dying.exited).toBe('SIGKILL');
    }
    await trial.startRegional(['north']);
    await trial.completed();
    expect((await outcomes(trial)).map(([, ...rest]) => rest)).toEqual(
      Array.from({ length: 5 }, () => ['released', 3]),
    );
    await expectRightSums(trial);
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('completes after the broker was killed in every phase of a round, and forgot what it held in memory', async () => {
    const brokers: Awaited<ReturnType<typeof startNats>>[] = [];
    const trial = await begin({
      ...{ minSurvivors: 3, quorum: 4, rounds: 4, spareRounds: 0 },
      ...PATIENT,
      broker: async (options) => {
        const nats = await startNats(options);
        brokers.push(nats);
        return nats;
      },
    });
    const [broker] = brokers;
    const [holder] = trial.holders;
    if (broker === undefined || holder?.masking === undefined) throw new Error('no broker');
    const crashes: Promise<void>[] = [];
    const crash = () => crashes.push(broker.kill9().then(() => broker.restart()));
    holder.script = async (self, task) => {
      const update = await self.update(task);
      if (task.index === 1 && crashes.length === 0) crash();
      await self.send(update);
    };
    holder.masking.mute = (kind, index) => {
      if (kind === 'consent' && index === 2 && crashes.length === 1) crash();
      if (kind === 'answer' && index === 3 && crashes.length === 2) crash();
      return false;
    };
    await trial.requestStart();
    await trial.completed();
    await Promise.all(crashes);
    expect(crashes).toHaveLength(3);
    expect((await outcomes(trial)).map(([, ...rest]) => rest)).toEqual(
      Array.from({ length: 5 }, () => ['released', 4]),
    );
    await expectRightSums(trial);
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('opens each sum once though two global-aggregators run', async () => {
    const trial = await begin({ minSurvivors: 3, quorum: 3, regionalDeadlineMs: 3000, globalDeadlineMs: 6000 });
    await trial.startGlobal();
    const [silentInRound2] = trial.holders;
    if (silentInRound2 === undefined) throw new Error('no holders');
    silentInRound2.script = async (holder, task) => {
      if (task.index !== 2) await holder.send(await holder.update(task));
    };
    await Promise.all([trial.requestStart(), trial.requestStart()]);
    await trial.completed();
    expect((await outcomes(trial)).map(([, , participants]) => participants)).toEqual([4, 3, 4, 4]);
    await expectRightSums(trial);
    const kinds = (await trial.ledgerEntries()).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'round.closed')).toHaveLength(4);
    expect(kinds.filter((kind) => kind === 'federation.opened')).toHaveLength(1);
    expect((await trial.verify()).findings).toEqual([]);
  });
});
