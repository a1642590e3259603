import type { SignedBytes } from '@fedcarbon/contracts';
import { concatBytes, type Sha256, toBase64Url, utf8 } from '@fedcarbon/kernel';

const SIGNATURE_BYTES = 64;
const MESSAGE_ID_BYTES = 16;
const MESSAGE_ID_LENGTH = 22;

/** Body of a message: the signature, then what travels under it. */
export function bodyOf({ payload, signature }: SignedBytes): Uint8Array {
  return concatBytes(signature, payload);
}

/** Signature and payload in the body of a message. A signature that is cut short verifies under no key. */
export function signedBytesOf(body: Uint8Array): SignedBytes {
  return { payload: body.subarray(SIGNATURE_BYTES), signature: body.subarray(0, SIGNATURE_BYTES) };
}

/**
 * Id of a message, by which its stream knows it again: 128 bits of SHA-256, as base64url. The same message has the same id; where the same one is meant to
 * arrive several times, `occasion` (one line of text) tells them apart.
 */
export function messageIdOf(sha256: Sha256, signed: SignedBytes, occasion = ''): string {
  return toBase64Url(sha256(concatBytes(utf8(`${occasion}\n`), bodyOf(signed))).subarray(0, MESSAGE_ID_BYTES));
}

/** Bytes of a message: its body and its headers (version line, message id, empty line), without the transport below. */
export function messageBytes(payloadBytes: number): number {
  const headers = `NATS/1.0\r\nNats-Msg-Id: ${'-'.repeat(MESSAGE_ID_LENGTH)}\r\n\r\n`;
  return headers.length + SIGNATURE_BYTES + payloadBytes;
}
