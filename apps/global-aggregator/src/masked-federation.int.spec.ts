import { decodeIntegers, toSigned } from '@fedcarbon/codec';
import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { scriptedValues } from './scripted-holders.support.ts';
import { type Trial, Trials } from './trial.support.ts';

jest.setTimeout(90_000);

const trials = new Trials({ createDatabase: testDatabase, startNats, temporaryFolder });
const begin = trials.begin.bind(trials);
afterEach(() => trials.end());

/** Every released sum is that of its participants, to the last integer. */
async function expectRightSums(trial: Trial): Promise<void> {
  for (const { index, length, bits, status, participants = 0, aggregate } of await trial.rounds()) {
    if (status !== 'released' || aggregate === undefined) continue;
    const expected = scriptedValues({ index, length }).map((value) => value * participants);
    expect([...toSigned(decodeIntegers(aggregate).values, bits)]).toEqual([...expected]);
  }
}

const outcomes = async (trial: Trial) =>
  (await trial.rounds()).map(({ purpose, status, participants }) => [purpose, status, participants]);

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
});
