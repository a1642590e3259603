import { concatBytes, type Sha256, utf8, type VerifySignature } from '@fedcarbon/kernel';

/** The cryptography that a secure sum needs, handed in by the host. Every function is deterministic. */
export interface SecureSumCrypto {
  readonly sha256: Sha256;
  /** Ed25519 (RFC 8032). */
  readonly verifySignature: VerifySignature;
  /** HKDF-SHA-256 (RFC 5869): extract and expand. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** Public key of a 32-byte X25519 private key (RFC 7748, section 6.1). */
  x25519PublicKey(privateKey: Uint8Array): Uint8Array;
  /**
   * From a public key to the 32-byte secret shared with it; all zero for one of low order, which only harms whoever published it. In two steps, as making
   * a host's key object of a private key takes longer than an agreement.
   */
  x25519(privateKey: Uint8Array): (publicKey: Uint8Array) => Uint8Array;
  /** First `length` bytes of the ChaCha20 key stream (RFC 8439, section 2.4) with block counter 0 and nonce 0: every key makes one stream. */
  chacha20(key: Uint8Array, length: number): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439, section 2.8) with nonce 0 and no additional data: every key seals one message. Ciphertext, then tag (16 bytes). */
  seal(key: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** What `seal` sealed, or undefined when `sealed` is anything else. */
  open(key: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** Bytes that an AEAD adds. */
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;
/** Secrets that are shared among peers have 16 bytes: 128 bits, the strength of X25519. */
export const SEED_BYTES = 16;
export const SIGNATURE_BYTES = 64;

/** `fedcarbon/secure-sum/v1/<label>`, a zero byte, the numbers as u16: no two uses of a key or a hash have the same context. */
export function context(label: string, ...numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * numbers.length);
  numbers.forEach((number, i) => bytes.set([number >>> 8, number & 255], 2 * i));
  return concatBytes(utf8(`fedcarbon/secure-sum/v1/${label}\0`), bytes);
}
