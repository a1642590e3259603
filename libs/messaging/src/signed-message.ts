import { SIGNATURE_HEADER, type SignedBytes } from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, toBase64Url } from '@fedcarbon/kernel';
import { type MsgHdrs, headers } from '@nats-io/nats-core';

/** Headers that carry the signature of a payload. */
export function signatureHeaders(signed: SignedBytes): MsgHdrs {
  const result = headers();
  result.set(SIGNATURE_HEADER, toBase64Url(signed.signature));
  return result;
}

/** Payload and signature of a message. A missing or malformed signature is empty, which verifies under no key. */
export function signedBytesOf(message: {
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
}): SignedBytes {
  return { payload: message.data, signature: signatureIn(message.headers?.get(SIGNATURE_HEADER) ?? '') };
}

function signatureIn(text: string): Uint8Array {
  try {
    return fromBase64Url(text);
  } catch (error) {
    if (error instanceof InvalidInputError) return new Uint8Array();
    throw error;
  }
}

const SIGNATURE_LENGTH = 86;
const DIGEST_LENGTH = 64;

/** Bytes of a signed message: its body and its headers (version line, message id, signature, empty line), without the transport below. */
export function messageBytes(bodyBytes: number, messageIdLength = DIGEST_LENGTH): number {
  const header = (name: string, valueLength: number) => name.length + 2 + valueLength + 2;
  return (
    bodyBytes +
    'NATS/1.0\r\n'.length +
    header('Nats-Msg-Id', messageIdLength) +
    header(SIGNATURE_HEADER, SIGNATURE_LENGTH) +
    '\r\n'.length
  );
}
