import { z } from 'zod';
import { Name, RoundId, Sha256Hex } from '../../primitives.ts';
import { abridgedKind } from '../../signed.ts';

/** holder -> region: this holder does not take part in the round, so nobody need wait for it. Signed by the holder. Plan and holder do not travel. */
export const Decline = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  holder: Name,
  /** `refused_by_accountant` and `over_own_cap` end the holder's part in the plan; `not_trainable` is a fault of this round. */
  reason: z.enum(['refused_by_accountant', 'over_own_cap', 'plan_not_accepted', 'not_trainable']),
});
export type Decline = z.infer<typeof Decline>;
export const DECLINE_V1 = abridgedKind('decline', 1, Decline, Decline.omit({ planHash: true, holder: true }));
