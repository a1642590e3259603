import {
  concatBytes,
  equalBytes,
  fromHex,
  InvalidInputError,
  type Signer,
  toHex,
  type VerifySignature,
} from '@fedcarbon/kernel';
import { type SignedBytes, signedMessage } from '../../signed.ts';

const HASH_BYTES = 32;

/** Goes into what is signed, as for statements: `fedcarbon/masking/v1`. */
const MASKING_V1 = { kind: 'masking', version: 1 } as const;

/**
 * Wraps a message of the secure sum (@fedcarbon/secure-sum, binary) between a holder and the global-aggregator, either way:
 * the payload is the plan's SHA-256 (32 bytes) followed by the message, signed by its sender.
 */
export function signMasking(planHash: string, message: Uint8Array, signer: Signer): SignedBytes {
  const payload = concatBytes(fromHex(planHash), message);
  return { payload, signature: signer.sign(signedMessage(MASKING_V1, payload)) };
}

/** The message in an envelope. Throws InvalidInputError (`wrong_plan`, `bad_signature`) unless it is under this plan and by `publicKey`. */
export function openMasking(
  planHash: string,
  signed: SignedBytes,
  publicKey: Uint8Array,
  verify: VerifySignature,
): Uint8Array {
  const { payload, signature } = signed;
  const found = payload.subarray(0, HASH_BYTES);
  if (!equalBytes(found, fromHex(planHash))) {
    throw new InvalidInputError(`masking v1: it is under plan ${toHex(found)}, not ${planHash}`, {
      code: 'wrong_plan',
    });
  }
  if (!verify(publicKey, signedMessage(MASKING_V1, payload), signature)) {
    throw new InvalidInputError('masking v1: the signature is not by the expected key', { code: 'bad_signature' });
  }
  return payload.subarray(HASH_BYTES);
}
