import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { PlanFile } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { MOMENTUM, RESIDUAL_SCALE, STEP_KAPPA } from '@fedcarbon/learning';
import { type Enrolment, parsePlanFile, planHash, resolvePlan } from './index.ts';

const names = ['east', 'north', 'south', 'west'];
const ecebd = {
  version: 1,
  name: 'example',
  description: 'Four regions of five',
  trust: 'local',
  stock: { source: 'ecebd', target: 'embodied-carbon', featureSchema: 'ecebd/v1', yRange: [2, 22] },
  partition: { kind: 'dirichlet', alpha: 0.5, quantiles: 10, seed: 42, testShare: 0.2 },
  regions: names.map((name, r) => ({ name, countries: [['FR', 'BE', 'NL', 'DK'][r]], clients: 5 })),
  privacy: { epsilon: 1, delta: 1e-5 },
  nominalRecords: { total: 640, perClient: 32 },
  recipe: { kind: 'gam-sum', rounds: 5 },
  benchmarks: { margins: ['all', 'country'] },
  round: { quorum: 14 },
};
const energy = {
  ...ecebd,
  stock: { source: 'uci-energy', target: 'heating-load', featureSchema: 'uci-energy/v1', yRange: [0, 50] },
  regions: names.map((name) => ({ name, clients: 5 })),
  benchmarks: { margins: ['all'] },
};
/** How many members a region has, only its stock tells. */
const natural = {
  ...ecebd,
  partition: { kind: 'natural', seed: 42, testShare: 0.2 },
  regions: ecebd.regions.map(({ name, countries }) => ({ name, countries })),
};
const parse = (plan: unknown) => parsePlanFile(plan, 'federations/x.yaml');

const publicKey = 'A'.repeat(43);
const enrol = (file: PlanFile, members = [5, 5, 5, 5]): Enrolment => ({
  simulation: true,
  data: { kind: 'simulated', seed: 42 },
  keys: { global: publicKey, accountant: publicKey, checkpoint: publicKey },
  operatorKey: publicKey,
  regions: file.regions.map(({ name }, r) => ({
    name,
    publicKey,
    members: Array.from({ length: members[r] ?? 0 }, (_, k) => ({
      ...{ holder: `${name}-${String(k + 1)}`, dataset: 'stock', publicKey },
    })),
  })),
});

describe('a plan file is refused at', () => {
  const withStock = (change: object) => ({ ...ecebd, stock: { ...ecebd.stock, ...change } });
  const withPrivacy = (change: object) => ({ ...ecebd, privacy: { ...ecebd.privacy, ...change } });
  const withBenchmarks = (change: object) => ({ ...ecebd, benchmarks: { ...ecebd.benchmarks, ...change } });
  const cases: [string, unknown, RegExp][] = [
    ['stock.source', withStock({ source: 'uci-energy' }), /found "uci-energy", but the bins "ecebd\/v1" are of ecebd/],
    ['stock.use', withStock({ use: 'office' }), /found "office", but ecebd is read for "residential" only/],
    ['stock.use', { ...energy, stock: { ...energy.stock, use: 'residential' } }, /tells no use; leave it out/],
    ['benchmarks.margins', withBenchmarks({ margins: ['all', 'country', 'all'] }), /"all" is listed twice/],
    ['benchmarks: margin all', withBenchmarks({ edges: [5, 3, 9] }), /3 does not ascend/],
    ['benchmarks: margin country', withBenchmarks({ edges: [2, 9, 20], wholeEdges: [[2, 9, 22]] }), /not from 2 to 22/],
    [
      'benchmarks.wholeEdges',
      withBenchmarks({ margins: ['country'], wholeEdges: [[2, 9, 22]] }),
      /add "all" to margins/,
    ],
    ['benchmarks.edges', withBenchmarks({ edges: [3, 9] }), /3/],
    ['round.quorum', { ...ecebd, round: { quorum: 21 } }, /21 is more than the 20 members/],
    [
      'round.clientsPerRegion',
      { ...ecebd, round: { quorum: 14, clientsPerRegion: 3 } },
      /3 of each region make 12 members a round, .* quorum of 14/,
    ],
    ['round.clientsPerRegion', { ...natural, round: { quorum: 5, clientsPerRegion: 1 } }, /4 members a round/],
    ['privacy.delta', withPrivacy({ delta: 1e-30 }), /at least 1e-18, found 1e-30/],
    [
      'partition.testShare',
      { ...ecebd, partition: { ...ecebd.partition, testShare: 0.9999 } },
      /0\.9999 leaves none of the 640/,
    ],
  ];
  it.each(cases)('%s (%#)', (place, plan, message) => {
    expect(() => parse(plan)).toThrow(InvalidInputError);
    expect(() => parse(plan)).toThrow(message);
    expect(() => parse(plan)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`x.yaml: ${place}: `) }),
    );
  });

  it('none of these when it is right', () => {
    const picked = { quorum: 12, clientsPerRegion: 3 };
    for (const plan of [ecebd, energy, natural, withStock({ use: 'residential' }), { ...ecebd, round: picked }]) {
      expect(parse(plan).name).toBe('example');
    }
  });
});

describe('an enrolment is refused', () => {
  it('when it has fewer members than the quorum', () => {
    const file = parse(natural);
    expect(() => resolvePlan(file, enrol(file, [3, 3, 3, 3]))).toThrow(
      /^round\.quorum: 14 is more than the 12 members/,
    );
  });

  it('when fewer than the quorum would be picked from it', () => {
    const file = parse({ ...natural, round: { quorum: 6, clientsPerRegion: 2 } });
    const uneven = () => resolvePlan(file, enrol(file, [5, 1, 1, 1]));
    expect(uneven).toThrow(/^round\.clientsPerRegion: 2 of each region make 5 members/);
    expect(resolvePlan(file, enrol(file, [5, 2, 1, 1])).round.clientsPerRegion).toBe(2);
  });
});

describe('what a plan file leaves out', () => {
  it("is the recipe's own for its parameters", () => {
    const file = parse(ecebd);
    const { recipe } = resolvePlan(file, enrol(file));
    expect(recipe).toMatchObject({ residualScale: RESIDUAL_SCALE, momentum: MOMENTUM });
    const halved = parse({ ...ecebd, recipe: { ...ecebd.recipe, kappa: STEP_KAPPA / 2 } });
    expect(resolvePlan(halved, enrol(halved)).recipe.stepSize).toBeCloseTo(recipe.stepSize / 2, 12);
  });

  it('is what the source is read for, for the use', () => {
    for (const [plan, use] of [
      [ecebd, 'residential'],
      [energy, null],
    ] as const) {
      const file = parse(plan);
      expect(resolvePlan(file, enrol(file)).stock.use).toBe(use);
    }
  });
});

it('binds the data to the hash of the plan', () => {
  const file = parse(ecebd);
  const hashes = [
    { kind: 'simulated', seed: 42 } as const,
    { kind: 'simulated', seed: 43 } as const,
    { kind: 'published', sha256: 'a'.repeat(64) } as const,
    { kind: 'private' } as const,
  ].map((data) =>
    planHash(resolvePlan(file, { ...enrol(file), data }), (bytes) => createHash('sha256').update(bytes).digest()),
  );
  expect(new Set(hashes).size).toBe(4);
});
