import { z } from 'zod';
import { Base64Url, Name, PositiveInt, RoundId, Sha256Hex, Signature } from '../../primitives.ts';
import { abridgedKind } from '../../signed.ts';

/** holder -> region: a noised update and the accountant's leave to release it. Signed by the holder. Plan and holder do not travel. */
export const Update = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  holder: Name,
  attempt: PositiveInt,
  /**
   * Packed integers (@fedcarbon/codec, v1); under trust `distributed` the masked message of @fedcarbon/secure-sum.
   */
  payload: Base64Url,
  /** The accountant's, over the `CommitStatement` of this attempt: its members are the round's event, the SHA-256 of `payload`, and what is known of the holder. */
  commitSignature: Signature,
});
export type Update = z.infer<typeof Update>;
export const UPDATE_V1 = abridgedKind('update', 1, Update, Update.omit({ planHash: true, holder: true }));
