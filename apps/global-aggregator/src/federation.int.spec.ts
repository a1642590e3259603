import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import type { ExampleOptions } from './example-federation.support.ts';
import { Trial } from './trial.support.ts';

jest.setTimeout(90_000);

const cleanups: (() => Promise<unknown> | undefined | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function begin(options?: ExampleOptions, fault?: string): Promise<Trial> {
  const folder = temporaryFolder('trial');
  cleanups.push(folder.remove);
  const place = {
    ownerUrl: await testDatabase(),
    folder: folder.path,
    async startBroker(config: string) {
      const nats = await startNats({ config });
      cleanups.push(() => nats.stop());
      return nats;
    },
  };
  const trial = await Trial.begin(place, options, fault);
  cleanups.push(() => trial.end());
  return trial;
}

describe('a federation of scripted holders', () => {
  it('runs its rounds, publishes, completes, and leaves a sound ledger', async () => {
    const trial = await begin();
    expect(await trial.requestStart('stranger')).toMatchObject({ kind: 'error', code: 'bad_signature' });
    expect(await trial.requestStart('operator', '0'.repeat(64))).toMatchObject({ kind: 'error', code: 'wrong_plan' });
    expect(await trial.rounds()).toEqual([]);
    expect(await trial.requestStart()).toEqual({ kind: 'started' });
    expect(await trial.requestStart()).toEqual({ kind: 'started' });
    await trial.completed();
    const rounds = await trial.rounds();
    expect(rounds.map(({ purpose, status, participants }) => [purpose, status, participants])).toEqual([
      ['model', 'released', 4],
      ['model', 'released', 4],
      ['model', 'released', 4],
      ['benchmarks', 'released', 4],
    ]);
    const verification = await trial.verify();
    expect(verification.findings).toEqual([]);
    expect(verification.verdict).toBe('sound');
    expect(verification.models).toHaveLength(3);
    await trial.until('all closes are announced', () => trial.announced.length === 4);
    expect(trial.announced.map(({ index, outcome, last }) => [index, outcome, last])).toEqual([
      [1, 'released', false],
      [2, 'released', false],
      [3, 'released', false],
      [4, 'released', true],
    ]);
    expect(trial.announced.at(-1)?.ledger).toEqual({ size: verification.size, root: verification.root });
    for (const { receipts } of trial.holders) {
      expect(receipts.map(({ verdict }) => verdict)).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    }
    for (const service of trial.services) expect(await service.stop()).toBe(0);
  });
});
