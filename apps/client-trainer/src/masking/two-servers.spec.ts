import { countRecords } from '@fedcarbon/benchmark';
import { lastIndex, twoServersOf } from '@fedcarbon/round';
import { cryptoRandom, generateKeyPem, sealingKeyFromPem, secureSumCrypto, sha256 } from '@fedcarbon/service';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { testFederation } from '../example-federation.support.ts';
import { FakeAccountant } from '../fake-accountant.support.ts';
import type { FaultPoint, Noise } from '../ports.ts';
import { exactNoise } from '../release.ts';
import { closeSites, openSites, type Site } from '../site.support.ts';
import { TestCoordinator } from './coordinator.support.ts';

jest.setTimeout(60_000);

const holders = ['alder', 'birch', 'cedar', 'doum'];
const sealingKey = sealingKeyFromPem(generateKeyPem('X25519'));
const federation = testFederation(holders, 3, 3, sealingKey);
const { plan, planHash } = federation;
/** Index of a benchmarks round: what holders contribute to it is known exactly. */
const COUNTS = lastIndex(plan);
const { bits, layout } = plan.benchmarks;

describe('a round with two servers', () => {
  let accountant: FakeAccountant;
  let sites: Map<string, Site>;
  let coordinator: TestCoordinator;
  let drawn: Int32Array[];
  const noise: Noise = (sigmaSquared, length) => {
    const values = exactNoise(cryptoRandom)(sigmaSquared, length);
    drawn.push(values);
    return values;
  };
  beforeEach(async () => {
    drawn = [];
    accountant = new FakeAccountant(federation);
    sites = await openSites(federation, accountant, holders, { noise });
    coordinator = new TestCoordinator(federation, sites);
    const { privateKey } = sealingKey;
    coordinator.helper = twoServersOf(plan, planHash, sha256).sum.helper({ crypto: secureSumCrypto, privateKey });
  });
  afterEach(() => closeSites(sites));
  const site = (holder: string): Site => sites.get(holder) as Site;
  const expectedSum = (of: readonly string[]) => {
    const counts = of.map((holder) => [...countRecords(layout, site(holder).records.all)]);
    return [...counts, ...drawn].reduce<number[]>((sum, values) => [...values].map((v, i) => v + (sum[i] ?? 0)), []);
  };

  it('opens the sum of who took part, with nothing set up and one message of each', async () => {
    const outcome = await coordinator.round(COUNTS, 'benchmarks', ['birch']);
    expect(outcome).toMatchObject({ type: 'opened', survivors: [0, 2, 3] });
    expect(coordinator.sum(bits)).toEqual(expectedSum(['alder', 'cedar', 'doum']));
    expect(holders.map((holder) => site(holder).sent.map(({ subject }) => subject.split('.').at(-1)))).toEqual([
      ['update'],
      [],
      ['update'],
      ['update'],
    ]);
    expect(accountant.charges()).toHaveLength(3);
  });

  it.each<FaultPoint>(['after-masking-fact', 'after-prepare', 'after-commit', 'after-committed', 'after-publish'])(
    'is right when a trainer dies %s: one noise, one charge, one message',
    async (point) => {
      site('birch').crashAt = point;
      expect(await coordinator.round(COUNTS, 'benchmarks')).toMatchObject({ survivors: [0, 1, 2, 3] });
      expect(coordinator.crashes).toBe(1);
      expect(drawn).toHaveLength(4);
      expect(coordinator.sum(bits)).toEqual(expectedSum(holders));
      expect(accountant.charges()).toHaveLength(4);
      expect(
        new Set(
          site('birch')
            .updates()
            .map(({ payload }) => payload),
        ).size,
      ).toBe(1);
    },
  );

  it('is the last one of a holder that has lost its facts: it declines, before anything is charged', async () => {
    expect(await coordinator.round(1)).toMatchObject({ type: 'opened', survivors: [0, 1, 2, 3] });
    await site('cedar').wipeMasking();
    expect(await coordinator.round(2)).toMatchObject({ type: 'opened', survivors: [0, 1, 3] });
    expect(site('cedar').declines()).toEqual(['not_trainable']);
    expect(accountant.charges()).toHaveLength(7);
  });
});
