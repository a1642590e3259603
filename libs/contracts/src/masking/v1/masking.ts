import { concatBytes, fromHex, InvalidInputError, type Signer, type VerifySignature } from '@fedcarbon/kernel';
import { type SignedBytes, signedMessage } from '../../signed.ts';

/** Goes into what is signed, as for statements: `fedcarbon/masking/v1`. */
const MASKING_V1 = { kind: 'masking', version: 1 } as const;

/** What a signature is over: the plan's SHA-256 (32 bytes), which does not travel, and the message. */
function inPlan(planHash: string, message: Uint8Array): Uint8Array {
  return signedMessage(MASKING_V1, concatBytes(fromHex(planHash), message));
}

/** Signs a message of the secure sum (@fedcarbon/secure-sum, binary) between the global-aggregator and a holder or sum-helper, either way, for one plan. */
export function signMasking(planHash: string, message: Uint8Array, signer: Signer): SignedBytes {
  return { payload: message, signature: signer.sign(inPlan(planHash, message)) };
}

/** The message that `publicKey` signed for this plan. Throws InvalidInputError (`bad_signature`) when it did not. */
export function openMasking(
  planHash: string,
  { payload, signature }: SignedBytes,
  publicKey: Uint8Array,
  verify: VerifySignature,
): Uint8Array {
  if (verify(publicKey, inPlan(planHash, payload), signature)) return payload;
  throw new InvalidInputError(`masking v1: the signature is not by the expected key for plan ${planHash}`, {
    code: 'bad_signature',
  });
}
