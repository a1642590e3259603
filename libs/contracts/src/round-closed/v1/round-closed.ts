import { z } from 'zod';
import { ByteCounts, NonNegativeInt, PositiveInt, Purpose, RoundId, Sha256Hex } from '../../primitives.ts';
import { statementKind } from '../../signed.ts';

/** global-aggregator -> everybody: a round is over; what it released stands in Postgres and behind the API. Signed by `plan.keys.global`. */
export const RoundClosed = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  index: PositiveInt,
  purpose: Purpose,
  outcome: z.enum(['released', 'abandoned']),
  reason: z.string().max(200).optional(),
  participants: NonNegativeInt,
  /** From opening to close, by the global-aggregator's clock. */
  durationMs: NonNegativeInt,
  /** Between regions and clients, as the regions counted. */
  bytes: ByteCounts,
  /** Version of the model or benchmark release that this round published. */
  version: PositiveInt.optional(),
  /** Largest epsilon spent by a holder so far, as the accountant composes it. */
  epsilonSpentMax: z.number().nonnegative(),
  /** Size and RFC 6962 root of the ledger at the checkpoint of this close. */
  ledger: z.strictObject({ size: PositiveInt, root: Sha256Hex }),
  /** The plan ends with this round. */
  last: z.boolean(),
});
export type RoundClosed = z.infer<typeof RoundClosed>;
export const ROUND_CLOSED_V1 = statementKind('round-closed', 1, RoundClosed);
