import {
  above0,
  amount,
  anything,
  base64Url,
  count,
  digest,
  exactly,
  including,
  listOf,
  name,
  oneOf,
  orNull,
  positive,
  publicKey,
  signature,
  sixtyFourths,
  text,
} from './shape.ts';
import type { Read } from './shape.ts';

/** Format version of entries this verifier knows. */
export const KNOWN_VERSION = 1;

const event = exactly({
  kind: oneOf('discreteGaussian'),
  sigmaSquared: sixtyFourths,
  sensitivitySquared: positive,
  steps: positive,
});
export type Event = ReturnType<typeof event>;

const keys = { global: publicKey, accountant: publicKey, checkpoint: publicKey };
const purpose = oneOf('model', 'benchmarks');
const update = { holder: name, attempt: positive, updateDigest: digest };
const charge = { holder: name, dataset: name, planHash: digest, roundId: name, attempt: positive, event };

const receipt = exactly(
  {
    ...update,
    planHash: digest,
    roundId: name,
    verdict: oneOf('accepted', 'rejected', 'late', 'duplicate'),
    region: name,
  },
  { reason: text },
);
const signedReceipt = exactly({ receipt, signature });
export type SignedReceipt = ReturnType<typeof signedReceipt>;

/** Every kind of entry, version 1, with all its fields. */
const kinds = {
  'federation.opened': exactly({
    planHash: digest,
    plan: anything,
    keys: exactly(keys),
  }),
  'privacy.committed': exactly({ ...charge, updateDigest: digest }),
  'privacy.refused': exactly({ ...charge, reason: text }),
  'round.opened': exactly({
    planHash: digest,
    roundId: name,
    index: positive,
    purpose,
    seed: digest,
    event,
    bits: positive,
    length: positive,
  }),
  'round.closed': exactly(
    {
      planHash: digest,
      roundId: name,
      index: positive,
      purpose,
      outcome: oneOf('released', 'abandoned'),
      participants: listOf(exactly(update)),
      verdicts: listOf(signedReceipt),
    },
    { reason: text, aggregate: base64Url, modelDigest: digest },
  ),
  'model.published': exactly({
    planHash: digest,
    version: positive,
    roundId: name,
    modelDigest: digest,
    epsilon: amount,
    rounds: positive,
  }),
  'benchmarks.published': exactly({ planHash: digest, version: positive, roundId: name, releaseDigest: digest }),
  'federation.completed': exactly({ planHash: digest, reason: oneOf('planned', 'ended_early'), rounds: count }),
};

type Kinds = typeof kinds;
/** The fields of one kind of entry. */
export type Fields<K extends keyof Kinds> = ReturnType<Kinds[K]>;
/** An entry that has its shape. */
export type Entry = { [K in keyof Kinds]: { readonly kind: K; readonly fields: Fields<K> } }[keyof Kinds];

/** The entry in parsed JSON; undefined when its kind or version is not known here. Throws ShapeError. */
export function readEntry(value: unknown): Entry | undefined {
  const { kind, v, ...fields } =
    including({ kind: text, v: count })(value, 'entry') && (value as Record<string, unknown>);
  if (v !== KNOWN_VERSION || !Object.hasOwn(kinds, String(kind))) return undefined;
  const read: Read<unknown> = kinds[kind as keyof Kinds];
  return { kind, fields: read(fields, String(kind)) } as Entry; // Safe because `read` is the reader of this kind.
}

/** What the verifier needs of a resolved plan; everything else in it is bound by its hash. */
export const readPlan = including({
  version: oneOf(1),
  keys: exactly(keys),
  privacy: including(
    { epsilon: above0, delta: above0 },
    // Left out or null where every holder adds the full noise itself.
    {
      secureSum: orNull(
        including({
          minSurvivors: positive,
          maxColluding: count,
          shareSigmaSquared: exactly({ model: above0, benchmarks: above0 }),
          noiseDistanceDelta: amount,
        }),
      ),
    },
  ),
  regions: listOf(including({ name, publicKey, members: listOf(including({ holder: name, dataset: name })) })),
  recipe: including({
    kind: oneOf('gam-sum'),
    binsPerFeature: listOf(positive),
    momentum: amount,
    rounds: positive,
    spareRounds: count,
    stepSize: above0,
    nominalRecords: positive,
    bits: positive,
    event,
  }),
  benchmarks: including({
    layout: including({
      margins: listOf(including({ groups: listOf(name), histograms: listOf(listOf(anything)) })),
    }),
    bits: positive,
    event,
  }),
  round: including({ quorum: positive }),
});
export type Plan = ReturnType<typeof readPlan>;

/**
 * What a round of one purpose releases under a plan, and in how many rounds at most. `sensitivitySquared` follows from its content, not from what the
 * plan claims.
 */
export function releaseOf({ recipe, benchmarks }: Plan, purpose: 'model' | 'benchmarks') {
  const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
  if (purpose === 'model') {
    // A record adds an integer of at most 1 to one bin of every feature.
    const { binsPerFeature, event, bits } = recipe;
    const rounds = recipe.rounds + recipe.spareRounds;
    return { event, bits, length: total(binsPerFeature), sensitivitySquared: binsPerFeature.length, rounds };
  }
  // A record counts once in every histogram of every margin.
  const { layout, event, bits } = benchmarks;
  const cells = layout.margins.flatMap(({ groups, histograms }) =>
    histograms.map((edges) => groups.length * (edges.length - 1)),
  );
  return { event, bits, length: total(cells), sensitivitySquared: cells.length, rounds: 1 };
}
