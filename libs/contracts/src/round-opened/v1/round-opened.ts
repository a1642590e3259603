import { z } from 'zod';
import {
  Base64Url,
  MechanismEvent,
  NonNegativeInt,
  PositiveInt,
  Purpose,
  RoundId,
  Sha256Hex,
} from '../../primitives.ts';
import { abridgedKind } from '../../signed.ts';

/**
 * global-aggregator -> regions -> holders (the same bytes all the way): a round is open. Signed by `plan.keys.global`. What follows from the plan and the
 * round's id does not travel (`roundContext` of @fedcarbon/round).
 */
export const RoundOpened = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  /** 1, 2, ... within the plan; an abandoned index is not used again. */
  index: PositiveInt,
  purpose: Purpose,
  /** Seed of the regions' choice of clients, 32 bytes as hexadecimal. */
  seed: Sha256Hex,
  /** What taking part costs. Equals the plan's event for this purpose. */
  event: MechanismEvent,
  /** Width of the integers: sums are modulo 2^bits. */
  bits: PositiveInt,
  /** Number of integers of an update. */
  length: PositiveInt,
  /** Under double masking: the block of the secure sum that the round is in. Left out for the first. */
  block: z.number().int().min(2).optional(),
  /**
   * Under trust `distributed`: members, by their place in the plan (by region, then in the region), that cannot take part: they took no part in the exchange of
   * keys, or are excluded. Left out when there are none.
   */
  absent: z.array(NonNegativeInt).min(1).optional(),
  /** Milliseconds since the epoch. */
  openedAtMs: PositiveInt,
  /**
   * Little-endian float64, one for each weight of the model, base64url. For purpose `model` the current iterate; for `benchmarks`, which comes when training
   * is over, the published model, and empty when no round has released one.
   */
  weights: Base64Url,
});
export type RoundOpened = z.infer<typeof RoundOpened>;
export const ROUND_OPENED_V1 = abridgedKind(
  'round-opened',
  1,
  RoundOpened,
  RoundOpened.omit({ planHash: true, index: true, event: true, bits: true, length: true }),
);
