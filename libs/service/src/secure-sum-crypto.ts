import type { SecureSumCrypto } from '@fedcarbon/secure-sum';
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { sha256, verifySignature } from './crypto.ts';

const TAG_BYTES = 16;
/** RFC 8439 nonce of zeros: every key is used once. */
const NONCE = Buffer.alloc(12);
/** OpenSSL's initial value of plain ChaCha20: block counter (little-endian, 4 bytes), then the nonce. */
const FIRST_BLOCK = Buffer.alloc(16);

/**
 * Keys of X25519 from their raw bytes. JWK (RFC 8037) is by far the fastest import that node:crypto has: 0.04 ms instead of 0.4 ms from DER. Of a private
 * key it reads `d` only; `x` must be there, its value is not looked at.
 */
function importPrivate(raw: Uint8Array): KeyObject {
  const d = Buffer.from(raw).toString('base64url');
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d, x: d }, format: 'jwk' });
}
function importPublic(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/** The cryptography of secure sums by OpenSSL. */
export const secureSumCrypto: SecureSumCrypto = {
  sha256,
  verifySignature,
  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
  x25519PublicKey(privateKey) {
    const { x } = createPublicKey(importPrivate(privateKey)).export({ format: 'jwk' });
    return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
  },
  x25519(raw) {
    const privateKey = importPrivate(raw);
    return (publicKey) => {
      try {
        return new Uint8Array(diffieHellman({ privateKey, publicKey: importPublic(publicKey) }));
      } catch {
        // OpenSSL fails where the shared secret would be zero: a public key of low order.
        return new Uint8Array(32);
      }
    };
  },
  chacha20: (key, length) => new Uint8Array(createCipheriv('chacha20', key, FIRST_BLOCK).update(Buffer.alloc(length))),
  seal(key, plaintext) {
    const cipher = createCipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
    return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
  },
  open(key, sealed) {
    const end = sealed.length - TAG_BYTES;
    if (end < 0) return undefined;
    const decipher = createDecipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(end));
    const opened = decipher.update(sealed.subarray(0, end));
    try {
      return new Uint8Array(Buffer.concat([opened, decipher.final()]));
    } catch {
      return undefined;
    }
  },
};
