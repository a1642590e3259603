import { z } from 'zod';
import { Name, PositiveInt, RoundId, Sha256Hex } from '../../primitives.ts';
import { abridgedKind } from '../../signed.ts';

export const Verdict = z.enum(['accepted', 'rejected', 'late', 'duplicate']);
export type Verdict = z.infer<typeof Verdict>;

/**
 * region -> holder: what became of an update. Signed by the region; enters the ledger at the round's close. The holder knows the digest of its attempt, so
 * round, attempt and verdict travel alone.
 */
export const Receipt = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  region: Name,
  holder: Name,
  attempt: PositiveInt,
  updateDigest: Sha256Hex,
  verdict: Verdict,
  /** Why it was not accepted. */
  reason: z.string().max(200).optional(),
});
export type Receipt = z.infer<typeof Receipt>;
export const RECEIPT_V1 = abridgedKind(
  'receipt',
  1,
  Receipt,
  Receipt.omit({ planHash: true, region: true, holder: true, updateDigest: true }),
);
