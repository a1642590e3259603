import { z } from 'zod';
import { MechanismEvent, Name, PositiveInt, RoundId, Sha256Hex } from '../../primitives.ts';
import { embedded, statementKind } from '../../signed.ts';

/** What one charge is for. (holder, data set) owns the budget; (plan, round, attempt) names the release. */
const charge = { holder: Name, dataset: Name, planHash: Sha256Hex, roundId: RoundId, attempt: PositiveInt };

/** holder -> accountant, signed by the holder: may I release this event? */
export const ReserveRequest = z.strictObject({ ...charge, event: MechanismEvent });
export type ReserveRequest = z.infer<typeof ReserveRequest>;
export const RESERVE_REQUEST_V1 = statementKind('reserve-request', 1, ReserveRequest);

/** Signed by the accountant: the budget holds `event` back for this charge until `expiresAtMs`. */
export const GrantStatement = z.strictObject({ ...charge, event: MechanismEvent, expiresAtMs: PositiveInt });
export type GrantStatement = z.infer<typeof GrantStatement>;
export const GRANT_V1 = statementKind('grant', 1, GrantStatement);

/** holder -> accountant, signed by the holder: these bytes are about to leave; charge them. */
export const CommitRequest = z.strictObject({ ...charge, updateDigest: Sha256Hex });
export type CommitRequest = z.infer<typeof CommitRequest>;
export const COMMIT_REQUEST_V1 = statementKind('commit-request', 1, CommitRequest);

/** Signed by the accountant: charged for good. Whoever holds it may publish the bytes of this digest and no others. */
export const CommitStatement = z.strictObject({ ...charge, event: MechanismEvent, updateDigest: Sha256Hex });
export type CommitStatement = z.infer<typeof CommitStatement>;
export const COMMIT_V1 = statementKind('commit', 1, CommitStatement);

/** holder -> accountant, signed by the holder: everything ever charged to this data set, to rebuild a lost journal. */
export const HistoryRequest = z.strictObject({ holder: Name, dataset: Name, nonce: Sha256Hex });
export type HistoryRequest = z.infer<typeof HistoryRequest>;
export const HISTORY_REQUEST_V1 = statementKind('history-request', 1, HistoryRequest);

const budget = { epsilon: z.number().positive(), delta: z.number().positive() };

/** Answer to `reserve`. A refusal is a recorded fact, not an error. */
export const ReserveReply = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('granted'),
    grant: embedded(GrantStatement),
    epsilonAfter: z.number().nonnegative(),
    budget: z.strictObject(budget),
  }),
  z.strictObject({
    kind: z.literal('refused'),
    reason: z.string(),
    epsilonSpent: z.number().nonnegative(),
    epsilonIfGranted: z.number().nonnegative(),
    budget: z.strictObject(budget),
  }),
  /** This key is charged already: with the same bytes at hand, publish them; without, open attempt + 1. */
  z.strictObject({ kind: z.literal('committed'), commit: embedded(CommitStatement) }),
  z.strictObject({ kind: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type ReserveReply = z.infer<typeof ReserveReply>;

/** Answer to `commit`. */
export const CommitReply = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('committed'), commit: embedded(CommitStatement) }),
  /** `expired`, `unknown_reservation`: reserve attempt + 1. `digest_conflict`: other bytes are charged under this key; attempt + 1. */
  z.strictObject({ kind: z.literal('refused'), reason: z.enum(['expired', 'unknown_reservation', 'digest_conflict']) }),
  z.strictObject({ kind: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type CommitReply = z.infer<typeof CommitReply>;

/** Signed by the accountant: everything charged to a data set, in order; reserved ones are those that may still be committed. The nonce is the request's. */
export const HistoryStatement = z.strictObject({
  holder: Name,
  dataset: Name,
  nonce: Sha256Hex,
  budget: z.strictObject(budget).nullable(),
  charges: z.array(
    z.strictObject({
      planHash: Sha256Hex,
      roundId: RoundId,
      attempt: PositiveInt,
      event: MechanismEvent,
      status: z.enum(['reserved', 'committed']),
      updateDigest: Sha256Hex.optional(),
    }),
  ),
});
export type HistoryStatement = z.infer<typeof HistoryStatement>;
export const HISTORY_V1 = statementKind('history', 1, HistoryStatement);

/** Answer to `history`. A holder without a journal has nothing else to go by, so it is signed. */
export const HistoryReply = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('history'), history: embedded(HistoryStatement) }),
  z.strictObject({ kind: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type HistoryReply = z.infer<typeof HistoryReply>;
