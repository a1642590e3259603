import { z } from 'zod';
import { CommitStatement } from '../../accountant/v1/accountant.ts';
import { Base64Url, Name, PositiveInt, RoundId, Sha256Hex } from '../../primitives.ts';
import { embedded, statementKind } from '../../signed.ts';

/** holder -> region: a noised update and the accountant's commit that allows its release. Signed by the holder. */
export const Update = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  holder: Name,
  attempt: PositiveInt,
  /**
   * Packed integers (@fedcarbon/codec, v1); under trust `distributed` the masked message of @fedcarbon/secure-sum. The commit's `updateDigest` is the
   * SHA-256 of these bytes.
   */
  payload: Base64Url,
  commit: embedded(CommitStatement),
});
export type Update = z.infer<typeof Update>;
export const UPDATE_V1 = statementKind('update', 1, Update);
