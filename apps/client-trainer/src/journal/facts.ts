import {
  CommitStatement,
  embedded,
  HistoryStatement,
  MechanismEvent,
  Name,
  PositiveInt,
  RoundId,
  Sha256Hex,
  Signature,
  Base64Url,
  Verdict,
} from '@fedcarbon/contracts';
import { z } from 'zod';

/** The most that all releases of the data set may ever cost, as the holder's own operator wrote it. */
const Cap = z.strictObject({ epsilon: z.number().positive(), delta: z.number().gt(0).lt(1) });

/** One release: what a charge is for. */
const release = { planHash: Sha256Hex, roundId: RoundId, attempt: PositiveInt };

/** Whose journal this is. The first line, and only the first. */
export const JournalOpened = z.strictObject({
  kind: z.literal('journal'),
  version: z.literal(1),
  holder: Name,
  dataset: Name,
  cap: Cap,
});
export type JournalOpened = z.infer<typeof JournalOpened>;

/** What a journal records, one fact a line. A kind is never changed once a journal may hold it. */
export const Fact = z.discriminatedUnion('kind', [
  JournalOpened,
  /** The operator gave another cap. */
  z.strictObject({ kind: z.literal('capChanged'), cap: Cap }),
  /** All charges that the accountant knew when this journal began: an empty list for a new holder, everything for one whose journal was lost. */
  z.strictObject({ kind: z.literal('rebuilt'), charges: HistoryStatement.shape.charges }),
  /** The holder has said hello in the secure sum of a plan: from now on its masking facts must never be missing. */
  z.strictObject({ kind: z.literal('joined'), planHash: Sha256Hex, block: PositiveInt }),
  /** These bytes may leave under this attempt and no others ever: written before the accountant is asked to charge them. */
  z.strictObject({
    kind: z.literal('prepared'),
    ...release,
    event: MechanismEvent,
    digest: Sha256Hex,
    payload: Base64Url,
    /** Until then the region waits for the update; milliseconds since the epoch. */
    deadlineAtMs: PositiveInt,
  }),
  /** The accountant has charged the prepared bytes; they may be published from now on. */
  z.strictObject({
    kind: z.literal('committed'),
    roundId: RoundId,
    attempt: PositiveInt,
    commit: embedded(CommitStatement),
  }),
  /** Nothing will be published under this attempt any more. `charged`: it costs all the same, because other bytes are charged under it. */
  z.strictObject({
    kind: z.literal('abandoned'),
    ...release,
    event: MechanismEvent,
    reason: z.enum(['expired', 'unknown_reservation', 'digest_conflict', 'charged_without_bytes']),
    charged: z.boolean(),
  }),
  /** The region's signed answer to an update. */
  z.strictObject({
    kind: z.literal('receipt'),
    roundId: RoundId,
    attempt: PositiveInt,
    digest: Sha256Hex,
    verdict: Verdict,
    reason: z.string().max(200).optional(),
    signature: Signature,
  }),
]);
export type Fact = z.infer<typeof Fact>;
export type FactOf<K extends Fact['kind']> = Extract<Fact, { kind: K }>;
