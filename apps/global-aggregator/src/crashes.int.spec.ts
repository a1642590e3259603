import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { PATIENT, Trials } from './trial.support.ts';

jest.setTimeout(180_000);

const trials = new Trials({ createDatabase: testDatabase, startNats, temporaryFolder });
const begin = trials.begin.bind(trials);
afterEach(() => trials.end());

describe('a federation whose services are killed', () => {
  it('completes after global-aggregator died between any two steps', async () => {
    const points = ['opening', 'opened', 'report-stored', 'closing', 'closed'];
    const trial = await begin({ rounds: 4, ...PATIENT }, points[0]);
    expect(await trial.endGlobalAt(points)).toEqual(points.map(() => 'SIGKILL'));
    await trial.completed();
    expect((await trial.rounds()).map(({ status, participants }) => [status, participants])).toEqual(
      Array.from({ length: 5 }, () => ['released', 4]),
    );
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('completes after a regional-aggregator died between any two steps', async () => {
    const points = ['round-stored', 'settling', 'update-stored', 'reported'];
    const trial = await begin({ regions: { north: 3 }, rounds: 4, ...PATIENT });
    await trial.services.find(({ app }) => app === 'regional-aggregator')?.kill();
    await trial.requestStart();
    for (const point of points) {
      const dying = await trial.startRegional(['north'], point);
      expect(await dying.exited).toBe('SIGKILL');
    }
    await trial.startRegional(['north']);
    await trial.completed();
    expect((await trial.rounds()).map(({ status, participants }) => [status, participants])).toEqual(
      Array.from({ length: 5 }, () => ['released', 3]),
    );
    expect((await trial.verify()).findings).toEqual([]);
    for (const { receipts } of trial.holders) {
      expect(new Set(receipts.map(({ roundId, verdict }) => `${roundId.slice(13)} ${verdict}`)).size).toBe(5);
    }
  });

  it('closes each round once though two global-aggregators run', async () => {
    const trial = await begin({ quorum: 3, regionalDeadlineMs: 4000, globalDeadlineMs: 8000 });
    await trial.startGlobal();
    const [silentInRound2] = trial.holders;
    if (silentInRound2 === undefined) throw new Error('no holders');
    silentInRound2.script = async (holder, task) => {
      if (task.index !== 2) await holder.send(await holder.update(task));
    };
    expect(await Promise.all([trial.requestStart(), trial.requestStart()])).toEqual([
      { kind: 'started' },
      { kind: 'started' },
    ]);
    await trial.completed();
    const kinds = (await trial.ledgerEntries()).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'round.closed')).toHaveLength(4);
    expect(kinds.filter((kind) => kind === 'federation.opened')).toHaveLength(1);
    expect((await trial.rounds()).map(({ participants }) => participants)).toEqual([4, 3, 4, 4]);
    expect((await trial.verify()).findings).toEqual([]);
  });
});
