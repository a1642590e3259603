import { z } from 'zod';
import { StockData } from '../../plan.ts';
import { ByteCounts, Name, NonNegativeInt, PositiveInt, Purpose, RoundId, Sha256Hex } from '../../primitives.ts';

/** What every answer carries, so that a figure can be traced and its protection judged. */
export const Provenance = z.strictObject({
  plan: z.strictObject({ name: Name, hash: Sha256Hex }),
  /** True when the holders were made by splitting one data set on one machine. */
  simulation: z.boolean(),
  /** Where the records come from. Figures from a simulated stock say nothing about real buildings. */
  data: StockData,
  modelVersion: PositiveInt.nullable(),
  benchmarkVersion: PositiveInt.nullable(),
  /** Largest epsilon spent by a holder so far, as composed by the accountant, at `delta`. */
  epsilon: z.number().nonnegative(),
  epsilonBudget: z.number().positive(),
  delta: z.number().positive(),
  trust: z.enum(['local', 'distributed', 'none']),
  /** What the released epsilon rests on, in one sentence. */
  assumption: z.string(),
  adjacency: z.literal('add-or-remove-one-record'),
  /** A record reported by m holders is protected at the composition of m budgets. */
  groupPrivacy: z.string(),
  ledger: z.strictObject({ size: NonNegativeInt, root: Sha256Hex.nullable() }),
});
export type Provenance = z.infer<typeof Provenance>;

export const Percentile = z.strictObject({
  level: z.number().min(0).max(1),
  value: z.number(),
  low: z.number(),
  high: z.number(),
  status: z.enum(['ok', 'insufficient_data']),
});
export type Percentile = z.infer<typeof Percentile>;

/** GET /v1/benchmarks */
export const BenchmarkAnswer = z.strictObject({
  /** `ok` when at least one percentile is. A combination that was not released is never a count. */
  status: z.enum(['ok', 'insufficient_data', 'not_released']),
  reason: z.string().optional(),
  segment: z.record(z.string(), z.string()),
  unit: z.string(),
  confidence: z.number(),
  maxRelativeHalfWidth: z.number(),
  percentiles: z.array(Percentile),
  provenance: Provenance,
});
export type BenchmarkAnswer = z.infer<typeof BenchmarkAnswer>;

/** POST /v1/position: attributes of one building by feature name; missing ones count as unknown. Nothing is stored. */
export const PositionRequest = z.strictObject({
  attributes: z.preprocess(
    // Of all names this one alone is left out of records without a word.
    (attributes, { addIssue }) => {
      if (typeof attributes === 'object' && attributes !== null && Object.hasOwn(attributes, '__proto__'))
        addIssue('unknown attribute "__proto__"');
      return attributes;
    },
    z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
  ),
  /** Known intensity of the building in the target's unit; the model's prediction is used when it is left out. */
  intensity: z.number().optional(),
});
export type PositionRequest = z.infer<typeof PositionRequest>;

export const PositionAnswer = z.strictObject({
  predictedIntensity: z.number(),
  /** What is positioned: the given intensity, else the prediction. */
  intensity: z.number(),
  unit: z.string(),
  position: z
    .strictObject({
      percentile: z.number(),
      low: z.number(),
      high: z.number(),
      band: z.enum(['green', 'amber', 'red', 'undecided']),
      probabilities: z.strictObject({ green: z.number(), amber: z.number(), red: z.number() }),
    })
    .nullable(),
  provenance: Provenance,
});
export type PositionAnswer = z.infer<typeof PositionAnswer>;

const modelSummary = {
  version: PositiveInt,
  roundId: RoundId,
  digest: Sha256Hex,
  /** Largest epsilon of a holder when this version was published. */
  epsilon: z.number().nonnegative(),
  /** Released model rounds behind it. */
  rounds: PositiveInt,
  publishedAt: z.string(),
};
export const ModelSummary = z.strictObject(modelSummary);
export type ModelSummary = z.infer<typeof ModelSummary>;

/** GET /v1/models */
export const ModelsAnswer = z.strictObject({ models: z.array(ModelSummary), provenance: Provenance });
export type ModelsAnswer = z.infer<typeof ModelsAnswer>;

/** GET /v1/models/:version, also `latest` */
export const ModelAnswer = z.strictObject({
  ...modelSummary,
  recipe: z.literal('gam-sum'),
  featureSchema: z.string(),
  binsPerFeature: z.array(PositiveInt),
  /** Name of each weight, "feature=bin". */
  labels: z.array(z.string()),
  yRange: z.tuple([z.number(), z.number()]),
  unit: z.string(),
  /** Prediction = middle of the y-range + its width x (sum of the weights of the building's bins, clipped to [-0.5, 0.5]). */
  weights: z.array(z.number()),
  provenance: Provenance,
});
export type ModelAnswer = z.infer<typeof ModelAnswer>;

export const RoundSummary = z.strictObject({
  index: PositiveInt,
  roundId: RoundId,
  purpose: Purpose,
  outcome: z.enum(['open', 'released', 'abandoned']),
  reason: z.string().nullable(),
  participants: NonNegativeInt,
  bytes: ByteCounts,
  openedAt: z.string(),
  closedAt: z.string().nullable(),
  durationMs: NonNegativeInt.nullable(),
});
export type RoundSummary = z.infer<typeof RoundSummary>;

/** GET /v1/rounds and /v1/rounds/:n */
export const RoundsAnswer = z.strictObject({ rounds: z.array(RoundSummary), provenance: Provenance });
export type RoundsAnswer = z.infer<typeof RoundsAnswer>;
export const RoundAnswer = z.strictObject({ ...RoundSummary.shape, provenance: Provenance });
export type RoundAnswer = z.infer<typeof RoundAnswer>;

/** GET /v1/ledger: the signed head. GET /v1/ledger/export (auditor, operator) streams the whole in the form that `fedcarbon ledger verify` reads. */
export const LedgerAnswer = z.strictObject({
  origin: z.string(),
  size: NonNegativeInt,
  checkpoint: z.string().nullable(),
  checkpointKey: z.string(),
  provenance: Provenance,
});
export type LedgerAnswer = z.infer<typeof LedgerAnswer>;

/** GET /v1/federation/budget: operators and auditors see all data sets, a holder its own, analysts only the largest. */
export const BudgetAnswer = z.strictObject({
  epsilonSpentMax: z.number().nonnegative(),
  dataSets: z.array(
    z.strictObject({
      holder: Name,
      dataset: Name,
      epsilonSpent: z.number().nonnegative(),
      epsilonBudget: z.number().positive(),
      delta: z.number().positive(),
      charges: NonNegativeInt,
      refusals: NonNegativeInt,
    }),
  ),
  provenance: Provenance,
});
export type BudgetAnswer = z.infer<typeof BudgetAnswer>;

/** GET /v1/federation */
export const FederationAnswer = z.strictObject({
  status: z.enum(['not_started', 'open', 'completed']),
  recipe: z.literal('gam-sum'),
  target: z.string(),
  unit: z.string(),
  regions: z.array(z.strictObject({ name: Name, members: PositiveInt })),
  plannedRounds: PositiveInt,
  releasedRounds: NonNegativeInt,
  margins: z.array(z.strictObject({ name: z.string(), groups: z.array(z.string()) })),
  provenance: Provenance,
});
export type FederationAnswer = z.infer<typeof FederationAnswer>;
