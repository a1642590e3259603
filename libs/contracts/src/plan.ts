import { z } from 'zod';
import { MechanismEvent, Name, NonNegativeInt, PositiveInt, PublicKey, Sha256Hex } from './primitives.ts';

const Fraction = z.number().gt(0).lt(1);

/** Each holder's share of the noise under a secure sum, and what it is sized for. */
const NoiseShares = z.strictObject({
  /** K_min: the sum of fewer holders than this is never opened; their noise alone is the noise that the accountant charges. */
  minSurvivors: PositiveInt,
  /** Survivors whose noise is not counted on, because they may know it or leave it out. */
  maxColluding: NonNegativeInt,
  /** Variance parameter of the discrete Gaussian noise that each holder adds, by purpose of the round. */
  shareSigmaSquared: z.strictObject({ model: z.number().positive(), benchmarks: z.number().positive() }),
  /** Part of the plan's delta: how far the sums of shares, over all rounds, are from the discrete Gaussians that the events stand for. */
  noiseDistanceDelta: z.number().nonnegative(),
});
export type NoiseShares = z.infer<typeof NoiseShares>;

/** How the sum of a round is computed so that nobody sees an update (trust `distributed`), and what each holder's share of the noise is. */
export const SecureSumPlan = z.discriminatedUnion('protocol', [
  NoiseShares.extend({ protocol: z.literal('double-masking') }),
  NoiseShares.extend({
    protocol: z.literal('two-servers'),
    /** The second server, run by another organisation than global-aggregator and regions. `sealingKey` is an X25519 key: clients seal their seeds with it. */
    helper: z.strictObject({ publicKey: PublicKey, sealingKey: PublicKey }),
  }),
]);
export type SecureSumPlan = z.infer<typeof SecureSumPlan>;

/** Cells of the benchmark release; the same shape as `HistogramLayout` in @fedcarbon/benchmark. */
export const BenchmarkLayout = z.strictObject({
  margins: z
    .array(
      z.strictObject({
        name: z.string(),
        groups: z.array(z.string()).min(1),
        /**
         * Public bin edges of the outcome, ascending, in the target's unit, for each histogram. A record counts once in each histogram of each margin, so
         * the L2 sensitivity is the square root of their number.
         */
        histograms: z.array(z.array(z.number()).min(3)).min(1),
      }),
    )
    .min(1),
});
export type BenchmarkLayout = z.infer<typeof BenchmarkLayout>;

/** Where the records of a federation come from: one published file, split; a seeded simulation, whose figures say nothing about real buildings; holders' own. */
export const StockData = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('published'), sha256: Sha256Hex }),
  z.strictObject({ kind: z.literal('simulated'), seed: NonNegativeInt }),
  z.strictObject({ kind: z.literal('private') }),
]);
export type StockData = z.infer<typeof StockData>;

/**
 * The resolved plan: everything that anybody needs to take part in a federation or to recompute it. Its canonical bytes are hashed; the hash is in the
 * ledger, in every message and in what each holder's operator has accepted. It holds public facts only: nominal counts, never exact ones.
 */
export const FederationPlan = z.strictObject({
  version: z.literal(1),
  name: Name,
  /** The holders are made by splitting one data set on one machine, so pooled test figures exist. In a real federation they do not. */
  simulation: z.boolean(),
  keys: z.strictObject({ global: PublicKey, accountant: PublicKey, checkpoint: PublicKey }),
  /** Of the person who runs the federation: starts it. */
  operatorKey: PublicKey,
  privacy: z.strictObject({
    epsilon: z.number().positive(),
    delta: z.number().positive(),
    trust: z.enum(['local', 'distributed', 'none']),
    adjacency: z.literal('add-or-remove-one-record'),
    /** Shares of mu^2, the square of the Gaussian's separation that the budget buys. */
    budgetShares: z.strictObject({ model: Fraction, benchmarks: Fraction }),
    /** Exactly under trust `distributed`. */
    secureSum: SecureSumPlan.nullable(),
  }),
  stock: z.strictObject({
    /** Versioned public bins of @fedcarbon/stock. */
    featureSchema: z.string(),
    /** Features of the schema that the model uses, in the schema's order. */
    features: z.array(z.string()).min(1),
    target: z.string(),
    unit: z.string(),
    /** Use of the buildings; null where the records tell none. */
    use: z.string().nullable(),
    data: StockData,
  }),
  regions: z
    .array(
      z.strictObject({
        name: Name,
        publicKey: PublicKey,
        members: z
          .array(z.strictObject({ holder: Name, dataset: Name, publicKey: PublicKey, nominalRecords: PositiveInt }))
          .min(1),
      }),
    )
    .min(1),
  recipe: z.strictObject({
    kind: z.literal('gam-sum'),
    binsPerFeature: z.array(PositiveInt).min(1),
    yRange: z.tuple([z.number(), z.number()]),
    residualScale: z.number().positive(),
    momentum: z.number().min(0).lt(1),
    rounds: PositiveInt,
    /** Rounds that the calibration has paid for beyond `rounds`, to make up for abandoned ones. */
    spareRounds: NonNegativeInt,
    /** Learning rate of the additive model. */
    stepSize: z.number().positive(),
    /** Public nominal number of training records of the whole federation. */
    nominalRecords: PositiveInt,
    /** Width of the integers of an update. */
    bits: PositiveInt.max(31),
    /** What a round is charged: under trust `local` the noise of one holder, under `distributed` the least noise of a released sum. */
    event: MechanismEvent,
  }),
  benchmarks: z.strictObject({
    layout: BenchmarkLayout,
    nominalRecords: PositiveInt,
    bits: PositiveInt.max(31),
    event: MechanismEvent,
    confidence: Fraction,
    maxRelativeHalfWidth: z.number().positive(),
  }),
  round: z.strictObject({
    /** Smallest number of accepted updates, over all regions, that a round may release. */
    quorum: PositiveInt,
    regionalDeadlineMs: PositiveInt,
    globalDeadlineMs: PositiveInt,
    /** Under trust `distributed`, how long the holders' signatures, and then their answers (or that of the helper), are waited for after the sum is closed. */
    unmaskDeadlineMs: PositiveInt,
    /** How many clients a region picks for a round; null takes all. */
    clientsPerRegion: PositiveInt.nullable(),
  }),
});
export type FederationPlan = z.infer<typeof FederationPlan>;
export type PlanMember = FederationPlan['regions'][number]['members'][number];

/**
 * A plan as an operator writes it (YAML in federations/): what is chosen, not what follows from it. Widths, noise and step size are derived when it is resolved.
 */
export const PlanFile = z.strictObject({
  version: z.literal(1),
  name: Name,
  description: z.string(),
  trust: z.enum(['local', 'distributed', 'none']),
  /** Exactly under trust `distributed`; see `SecureSumPlan`. */
  secureSum: z
    .strictObject({
      protocol: z.enum(['double-masking', 'two-servers']),
      minSurvivors: PositiveInt,
      maxColluding: NonNegativeInt.default(0),
    })
    .optional(),
  stock: z.strictObject({
    source: z.enum(['ecebd', 'uci-energy']),
    /** Use of the buildings, where the source tells it; the one that the source is read for when left out. */
    use: z.string().optional(),
    target: z.string(),
    featureSchema: z.string(),
    /** Features to use, a subset of the schema's; all when left out. */
    features: z.array(z.string()).min(1).optional(),
    yRange: z.tuple([z.number(), z.number()]),
  }),
  partition: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('dirichlet'),
      alpha: z.number().positive(),
      quantiles: PositiveInt,
      seed: NonNegativeInt,
      testShare: Fraction,
    }),
    z.strictObject({ kind: z.literal('natural'), seed: NonNegativeInt, testShare: Fraction }),
  ]),
  regions: z
    .array(
      z.strictObject({
        name: Name,
        /** Countries of the region; left out where the source knows no country. */
        countries: z.array(z.string().length(2)).min(1).optional(),
        /** Number of clients of a dirichlet partition. */
        clients: PositiveInt.optional(),
      }),
    )
    .min(1),
  privacy: z.strictObject({
    epsilon: z.number().positive('must be above 0'),
    delta: z.number().gt(0).lt(1),
    budgetShares: z.strictObject({ model: Fraction, benchmarks: Fraction }).default({ model: 0.8, benchmarks: 0.2 }),
  }),
  /** Public, approximate numbers of records; exact ones never leave a holder. */
  nominalRecords: z.strictObject({ total: PositiveInt, perClient: PositiveInt }),
  recipe: z.strictObject({
    kind: z.literal('gam-sum'),
    rounds: PositiveInt,
    spareRounds: NonNegativeInt.default(2),
    /** These three are the recipe's own when left out. */
    residualScale: z.number().positive().optional(),
    momentum: z.number().min(0).lt(1).optional(),
    kappa: z.number().positive().optional(),
  }),
  benchmarks: z.strictObject({
    /** Released margins, by name of the schema's segments; `all` is every record. */
    margins: z.array(z.string()).min(1),
    /** Outcome bin edges; the stock's published ones when left out. */
    edges: z.array(z.number()).min(3).optional(),
    /** Edges of each histogram of all records, where that is not `edges` once. Each costs as much sensitivity as a margin. */
    wholeEdges: z.array(z.array(z.number()).min(3)).min(1).optional(),
    confidence: Fraction.default(0.9),
    maxRelativeHalfWidth: z.number().positive().default(0.25),
  }),
  round: z.strictObject({
    quorum: PositiveInt,
    regionalDeadlineMs: PositiveInt.default(8000),
    globalDeadlineMs: PositiveInt.default(12000),
    unmaskDeadlineMs: PositiveInt.default(4000),
    clientsPerRegion: PositiveInt.nullable().default(null),
  }),
});
export type PlanFile = z.infer<typeof PlanFile>;

/** Name of the ledger that a checkpoint key signs, as its notes carry it (C2SP tlog-checkpoint, "origin"). One key, one ledger, over all plans. */
export function ledgerOrigin(checkpointKey: string): string {
  return `fedcarbon/${checkpointKey.slice(0, 12)}`;
}
