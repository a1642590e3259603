import { brokerUser, HELPER, signMasking, SUBJECTS } from '@fedcarbon/contracts';
import { utf8 } from '@fedcarbon/kernel';
import { connectBroker, publishSigned } from '@fedcarbon/messaging';
import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { PATIENT, type Trial, type TrialOptions, Trials } from './trial.support.ts';

jest.setTimeout(180_000);

const trials = new Trials({ createDatabase: testDatabase, startNats, temporaryFolder });
afterEach(() => trials.end());
/** Four holders in two regions; nobody sets anything up. */
const begin = (options: TrialOptions = {}, fault?: string) =>
  trials.begin(
    {
      ...{ protocol: 'two-servers', minSurvivors: 3, quorum: 3, rounds: 2, waitWithJoining: true },
      ...PATIENT,
      ...options,
    },
    fault,
  );

async function expectSound(trial: Trial): Promise<void> {
  expect(await trial.wrongSums()).toEqual([]);
  expect((await trial.verify()).findings).toEqual([]);
}

describe('a federation of scripted holders with two servers', () => {
  it('opens the right sums of whoever is left, if they are enough, without any set-up', async () => {
    const trial = await begin({
      ...{ regions: { north: 4, south: 3 }, minSurvivors: 4, quorum: 4, rounds: 3, spareRounds: 1 },
      ...{ regionalDeadlineMs: 4000, globalDeadlineMs: 8000 },
    });
    const silent: Record<number, number> = { 2: 4, 3: 3 };
    trial.holders.forEach((holder, place) => {
      holder.script = async (self, task) => {
        if ((place + task.index) % 7 >= (silent[task.index] ?? 0)) await self.send(await self.update(task));
      };
    });
    await trial.startHelper();
    await trial.requestStart();
    await trial.completed();
    expect(await trial.outcomes()).toEqual([
      ['model', 'released', 7],
      ['model', 'abandoned', 3],
      ['model', 'released', 4],
      ['model', 'released', 7],
      ['benchmarks', 'released', 7],
    ]);
    expect((await trial.rounds())[1]?.reason).toBe('3 survivors, at least 4 are needed');
    await expectSound(trial);
    expect(trial.holders.flatMap(({ masking }) => masking?.traffic ?? [])).toEqual([]);
    for (const service of trial.services) expect(await service.stop()).toBe(0);
  });

  it('abandons a round whose helper is silent, with its charges, and goes on when it is back', async () => {
    const trial = await begin({ rounds: 1, spareRounds: 3, unmaskDeadlineMs: 5000 });
    await trial.requestStart();
    await trial.closed(1);
    await trial.startHelper();
    await trial.completed();
    const rounds = await trial.rounds();
    expect(rounds[0]).toMatchObject({ status: 'abandoned', reason: 'the helper did not answer', participants: 4 });
    expect(rounds.slice(-2).map(({ purpose, status }) => [purpose, status])).toEqual([
      ['model', 'released'],
      ['benchmarks', 'released'],
    ]);
    const charges = (await trial.ledgerEntries()).filter(({ kind }) => kind === 'privacy.committed');
    expect(charges).toHaveLength(4 * rounds.length);
    await expectSound(trial);
  });

  it('believes nobody but the helper, and of it only sums of the round that is open', async () => {
    const trial = await begin({ rounds: 1 });
    const { planHash } = trial.federation;
    const access = trial.federation.access(trial.brokerUrl, brokerUser.service('sum-helper'));
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const connection = await connectBroker({ access, name: 'a forger', logger: log });
    const forged = [
      signMasking(planHash, utf8('a sum of masks'), trial.federation.signer('stranger')),
      signMasking(planHash, utf8('no sum of masks'), trial.federation.signer('helper')),
    ];
    for (const [i, signed] of forged.entries()) {
      await publishSigned(connection, { subject: SUBJECTS.masking(HELPER), messageId: String(i), ...signed });
    }
    await connection.close();
    await trial.startHelper();
    await trial.requestStart();
    await trial.completed();
    expect((await trial.outcomes()).map(([, status]) => status)).toEqual(['released', 'released']);
    await expectSound(trial);
    const said = trial.services.flatMap(({ log: lines }) => lines);
    expect(said).toContainEqual(expect.objectContaining({ msg: 'message refused', code: 'bad_signature' }));
    expect(said).toContainEqual(expect.objectContaining({ msg: 'masking message refused' }));
  });
});

describe('a federation with two servers that are killed', () => {
  it('completes after the helper died before and after it persisted its answer, and after it gave it', async () => {
    const trial = await begin();
    await trial.requestStart();
    for (const point of ['asked', 'persisted', 'answered']) {
      const dying = await trial.startHelper(point);
      expect(await dying.exited).toBe('SIGKILL');
    }
    await trial.startHelper();
    await trial.completed();
    expect((await trial.outcomes()).map(([, ...rest]) => rest)).toEqual(
      Array.from({ length: 3 }, () => ['released', 4]),
    );
    await expectSound(trial);
    expect((await trial.ledgerEntries()).filter(({ kind }) => kind === 'privacy.committed')).toHaveLength(12);
  });

  it('completes after global-aggregator died before and after the commit of every phase', async () => {
    const points = [
      ...['masked', 'answer'].flatMap((phase) => [`masking-unsaved-${phase}`, `masking-saved-${phase}`]),
      ...['closing', 'closed'],
    ];
    const trial = await begin({ quorum: 4, rounds: 4 }, points[0]);
    await trial.startHelper();
    expect(await trial.endGlobalAt(points)).toEqual(points.map(() => 'SIGKILL'));
    await trial.completed();
    expect((await trial.outcomes()).map(([, ...rest]) => rest)).toEqual(
      Array.from({ length: 5 }, () => ['released', 4]),
    );
    await expectSound(trial);
  });
});
