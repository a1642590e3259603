import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sharedPath } from '@fedcarbon/testing';
import type { BuildingRecord } from './building-record.ts';
import { partitionStock } from './partition.ts';
import type { DirichletPartition, Holder, PartitionRegion } from './partition.ts';
import { readEcebd } from './read-ecebd.ts';
import { simulateEnergy } from './simulate-energy.ts';
import { simulateStock } from './simulate-stock.ts';

const REGIONS: PartitionRegion[] = [
  { name: 'france', countries: ['FR'] },
  { name: 'belgium', countries: ['BE'] },
  { name: 'central', countries: ['NL', 'DE', 'AT'] },
  { name: 'nordic', countries: ['DK', 'FI'] },
];
const SPEC: DirichletPartition = {
  kind: 'dirichlet',
  regions: REGIONS,
  clientsPerRegion: 5,
  alpha: 0.5,
  targetQuantiles: 10,
  testShare: 0.2,
  seed: 42,
  outcome: 'embodiedCarbonKgCo2ePerM2PerYear',
};
const stock = simulateStock({ records: 640, seed: 1 });
const all = (holders: readonly Holder[]) => holders.flatMap(({ train, test }) => [...train, ...test]);
const names = (holders: readonly Holder[]) =>
  holders.map(({ id, train, test }) => [id, train.map((r) => r.id), test.map((r) => r.id)]);

/** Every record in exactly one place: compares identities, not contents. */
function expectPartition(holders: readonly Holder[], records: readonly BuildingRecord[]): void {
  const placed = all(holders);
  expect(placed).toHaveLength(records.length);
  expect(new Set(placed)).toEqual(new Set(records));
}

describe('partitionStock, dirichlet', () => {
  it('places every record exactly once, in its region, split per holder, whatever the parameters', () => {
    const spec = fc.record({
      seed: fc.integer(),
      alpha: fc.constantFrom(0.01, 0.1, 0.5, 10),
      clientsPerRegion: fc.integer({ min: 1, max: 8 }),
      targetQuantiles: fc.integer({ min: 1, max: 12 }),
      testShare: fc.constantFrom(0, 0.2, 0.5),
    });
    fc.assert(
      fc.property(spec, fc.nat({ max: 120 }), (change, count) => {
        const records = stock.slice(0, count);
        const holders = partitionStock(records, { ...SPEC, ...change });
        expect(holders).toHaveLength(4 * change.clientsPerRegion);
        expectPartition(holders, records);
        for (const { region, train, test } of holders) {
          expect(test.length).toBe(Math.round((train.length + test.length) * change.testShare));
          const countries = REGIONS.find(({ name }) => name === region)?.countries ?? [];
          for (const record of [...train, ...test]) {
            expect(record.dataset === 'ecebd' && countries.includes(record.attributes.country ?? '')).toBe(true);
          }
        }
      }),
    );
  });

  it('depends on the seed and not on the order of the records', () => {
    const reference = names(partitionStock(stock, SPEC));
    expect(names(partitionStock(stock.toReversed(), SPEC))).toEqual(reference);
    expect(names(partitionStock(stock, { ...SPEC, seed: 43 }))).not.toEqual(reference);
  });

  it('numbers the holders of a region', () => {
    const ids = partitionStock(stock, SPEC).map(({ id }) => id);
    expect(ids.slice(0, 6)).toEqual(['france-01', 'france-02', 'france-03', 'france-04', 'france-05', 'belgium-01']);
  });

  it('is more uneven for a small alpha, where some holder may get no record at all', () => {
    // Mean over 20 seeds of the largest holder's share in one region; alpha 0.05 and 100 are far apart, so this is no close call.
    const records = stock.filter(({ attributes }) => attributes.country === 'FR');
    const sizes = (alpha: number, seed: number) =>
      partitionStock(records, { ...SPEC, alpha, seed, targetQuantiles: 1, regions: REGIONS.slice(0, 1) }).map(
        ({ train, test }) => train.length + test.length,
      );
    const seeds = Array.from({ length: 20 }, (_, seed) => seed);
    const largest = (alpha: number) =>
      seeds.reduce((sum, seed) => sum + Math.max(...sizes(alpha, seed)), 0) / seeds.length;
    expect(largest(0.05) / records.length).toBeGreaterThan(0.6);
    expect(largest(100) / records.length).toBeLessThan(0.3);
    expect(seeds.some((seed) => sizes(0.05, seed).includes(0))).toBe(true);
  });

  it('skews the outcome: with a small alpha each decile goes to few holders', () => {
    const [lowest] = [...stock]
      .filter(({ attributes }) => attributes.country === 'FR')
      .sort((a, b) => a.outcomes.embodiedCarbonKgCo2ePerM2PerYear - b.outcomes.embodiedCarbonKgCo2ePerM2PerYear);
    const holders = partitionStock(stock, { ...SPEC, alpha: 0.001 });
    const holder = holders.find(({ train, test }) => [...train, ...test].some((record) => record === lowest));
    const decile = holder?.train.length ?? 0;
    expect(decile).toBeGreaterThan(0);
    // One holder per decile, so at most 10 of them are not empty whatever the number of clients.
    expect(holders.filter(({ region, train }) => region === 'france' && train.length > 0).length).toBeLessThanOrEqual(
      10,
    );
  });

  it('shuffles records without a country into regions of equal size', () => {
    const shapes = simulateEnergy({ seed: 1 });
    const regions = ['a', 'b', 'c'].map((name) => ({ name, countries: 'any' as const }));
    const holders = partitionStock(shapes, { ...SPEC, regions, outcome: 'heatingLoadKwhPerM2' });
    expectPartition(holders, shapes);
    const sizes = regions.map(({ name }) => all(holders.filter(({ region }) => region === name)).length);
    expect(sizes).toEqual([256, 256, 256]);
  });
});

describe('partitionStock, natural', () => {
  it('makes one holder per data partner and country', () => {
    const holders = partitionStock(stock, { kind: 'natural', regions: REGIONS, testShare: 0.2, seed: 42 });
    expectPartition(holders, stock);
    expect(new Set(holders.map(({ id }) => id)).size).toBe(holders.length);
    for (const { id, train, test } of holders) {
      const sources = new Set(
        [...train, ...test].map(
          (record) =>
            `${record.dataPartner ?? ''} ${record.dataset === 'ecebd' ? (record.attributes.country ?? '') : ''}`,
        ),
      );
      expect([...sources].map((source) => source.toLowerCase().replaceAll(' ', '-'))).toEqual([id]);
    }
  });

  it('needs countries', () => {
    const regions = [{ name: 'all', countries: 'any' as const }];
    expect(() => partitionStock(stock, { kind: 'natural', regions, testShare: 0.2, seed: 1 })).toThrow('natural');
  });
});

describe('partitionStock refuses', () => {
  it.each<[string, Partial<DirichletPartition>, string]>([
    [
      'a country in two regions',
      { regions: [...REGIONS, { name: 'alps', countries: ['CH', 'AT'] }] },
      'country AT is in two regions, "central" and "alps"',
    ],
    ['a country twice in one region', { regions: [{ name: 'x', countries: ['FR', 'FR'] }] }, 'country FR'],
    ['two regions of one name', { regions: [...REGIONS, { name: 'nordic', countries: ['SE'] }] }, 'named "nordic"'],
    ['countries beside "any"', { regions: [...REGIONS, { name: 'rest', countries: 'any' }] }, 'region "rest"'],
    ['no regions', { regions: [] }, 'at least one region'],
    ['records outside all regions', { regions: REGIONS.slice(0, 3) }, 'lie in no region of the plan (DK, FI)'],
    ['alpha 0', { alpha: 0 }, 'alpha of the partition is 0'],
    ['no clients', { clientsPerRegion: 0 }, 'clientsPerRegion of the partition is 0'],
    ['half a quantile', { targetQuantiles: 0.5 }, 'targetQuantiles of the partition is 0.5'],
    ['all for testing', { testShare: 1 }, 'testShare of the partition is 1'],
    ['a seed that is no integer', { seed: NaN }, 'seed of the partition is NaN'],
    ['an outcome of another data set', { outcome: 'heatingLoadKwhPerM2' }, 'no outcome "heatingLoadKwhPerM2"'],
  ])('%s', (_, change, message) => {
    const sorted = [...stock].sort((a, b) => (a.attributes.country ?? '').localeCompare(b.attributes.country ?? ''));
    expect(() => partitionStock(sorted, { ...SPEC, ...change })).toThrow(message);
  });
});

const ecebd = sharedPath('data/ecebd/EU-ECB_dataset_feature_engineered.csv');
(ecebd ? describe : describe.skip)('the published EU-ECB-DB (needs shared/data)', () => {
  const records = ecebd === undefined ? [] : readEcebd(readFileSync(ecebd, 'utf8')).records;

  it('gives 20 holders in 4 regions, about a fifth of the records for testing', () => {
    const holders = partitionStock(records, SPEC);
    expect(holders).toHaveLength(20);
    expectPartition(holders, records);
    const tests = holders.reduce((sum, { test }) => sum + test.length, 0);
    expect(Math.abs(tests - 644 / 5)).toBeLessThan(20 / 2);
  });

  it('has nine natural holders', () => {
    const holders = partitionStock(records, { kind: 'natural', regions: REGIONS, testShare: 0.2, seed: 42 });
    expect(new Map(holders.map(({ id, train, test }) => [id, train.length + test.length]))).toEqual(
      new Map([
        ['cstb-fr', 434],
        ['ku-leuven-be', 105],
        ['nibe-nl', 29],
        ['porr-at', 3],
        ['porr-de', 7],
        ['build-dk', 34],
        ['bionova-fi', 10],
        ['granlund-oy-fi', 18],
        ['ramboll-dk', 4],
      ]),
    );
  });
});
