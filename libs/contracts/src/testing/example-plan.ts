import { FederationPlan, type SecureSumPlan } from '../plan.ts';

type Section = 'privacy' | 'recipe' | 'benchmarks' | 'round';

/** What a test's plan is about; everything else is an example's. */
export type ExamplePlanParts = Pick<FederationPlan, 'keys' | 'operatorKey' | 'regions'> & {
  readonly name?: string;
} & { readonly [S in Section]?: Partial<FederationPlan[S]> };

/** Event of noise variance `sigmaSquared`, once. */
export function exampleEvent(sigmaSquared: number, sensitivitySquared: number): FederationPlan['recipe']['event'] {
  return { kind: 'discreteGaussian', sigmaSquared, sensitivitySquared, steps: 1 };
}

/** A secure sum whose shares are as given, with the number of survivors that they are for. */
export function exampleSecureSum(
  minSurvivors: number,
  shareSigmaSquared: SecureSumPlan['shareSigmaSquared'],
  maxColluding = 0,
): SecureSumPlan {
  return { protocol: 'double-masking', minSurvivors, maxColluding, shareSigmaSquared, noiseDistanceDelta: 0 };
}

/**
 * A small plan for tests: two features of four bins, one margin, trust `local` unless `privacy.secureSum` is given, 3 rounds and 1 spare one, a quorum of
 * 1. Its noise is an example too: no calibration stands behind it. A new field of the plan gets its example here, for all tests at once.
 */
export function examplePlan({
  keys,
  operatorKey,
  regions,
  name = 'example',
  ...sections
}: ExamplePlanParts): FederationPlan {
  const nominalRecords = regions
    .flatMap(({ members }) => members)
    .reduce((sum, member) => sum + member.nominalRecords, 0);
  const binsPerFeature = sections.recipe?.binsPerFeature ?? [4, 4];
  return FederationPlan.parse({
    version: 1,
    name,
    simulation: true,
    keys,
    operatorKey,
    privacy: {
      epsilon: 1,
      delta: 1e-5,
      trust: (sections.privacy?.secureSum ?? null) === null ? 'local' : 'distributed',
      adjacency: 'add-or-remove-one-record',
      budgetShares: { model: 0.8, benchmarks: 0.2 },
      secureSum: null,
      ...sections.privacy,
    },
    stock: {
      ...{ featureSchema: 'example-v1', features: ['example'], target: 'a1a3', unit: 'kgCO2e/m2' },
      ...{ use: null, data: { kind: 'private' } },
    },
    regions,
    recipe: {
      ...{ kind: 'gam-sum', binsPerFeature, yRange: [0, 1000], residualScale: 0.03, momentum: 0.6 },
      ...{ rounds: 3, spareRounds: 1, stepSize: 0.1, nominalRecords, bits: 16 },
      event: exampleEvent(4096, binsPerFeature.length),
      ...sections.recipe,
    },
    benchmarks: {
      layout: { margins: [{ name: 'all', groups: ['all'], histograms: [[0, 500, 1000]] }] },
      ...{ nominalRecords, bits: 16, event: exampleEvent(4096, 1), confidence: 0.9, maxRelativeHalfWidth: 0.25 },
      ...sections.benchmarks,
    },
    round: {
      ...{ quorum: 1, regionalDeadlineMs: 8000, globalDeadlineMs: 12_000, unmaskDeadlineMs: 4000 },
      clientsPerRegion: null,
      ...sections.round,
    },
  });
}
