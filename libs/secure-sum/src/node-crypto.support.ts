import * as node from 'node:crypto';
import type { Signer } from '@fedcarbon/kernel';
import type { SecureSumCrypto } from './crypto.ts';

// DER of a raw key (RFC 8410): the one import that node:crypto takes without a detour over JSON.
const X25519_PRIVATE = Buffer.from('302e020100300506032b656e04220420', 'hex');
const X25519_PUBLIC = Buffer.from('302a300506032b656e032100', 'hex');
const ED25519_PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const ED25519_PUBLIC = Buffer.from('302a300506032b6570032100', 'hex');
const NONCE = Buffer.alloc(12);
const TAG_BYTES = 16;

const privateKeyOf = (prefix: Buffer, raw: Uint8Array) =>
  node.createPrivateKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'pkcs8' });
const publicKeyOf = (prefix: Buffer, raw: Uint8Array) =>
  node.createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
const rawPublic = (privateKey: node.KeyObject) =>
  new Uint8Array(node.createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32));

/** The ports on node:crypto. */
export const nodeCrypto: SecureSumCrypto = {
  sha256: (data) => new Uint8Array(node.createHash('sha256').update(data).digest()),
  verifySignature(publicKey, message, signature) {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      return node.verify(null, message, publicKeyOf(ED25519_PUBLIC, publicKey), signature);
    } catch {
      return false;
    }
  },
  hkdf: (secret, salt, info, length) => new Uint8Array(node.hkdfSync('sha256', secret, salt, info, length)),
  x25519PublicKey: (privateKey) => rawPublic(privateKeyOf(X25519_PRIVATE, privateKey)),
  x25519(privateKey, publicKey) {
    try {
      return new Uint8Array(
        node.diffieHellman({
          privateKey: privateKeyOf(X25519_PRIVATE, privateKey),
          publicKey: publicKeyOf(X25519_PUBLIC, publicKey),
        }),
      );
    } catch {
      // OpenSSL fails where the shared secret is zero: a public key of low order.
      return new Uint8Array(32);
    }
  },
  chacha20(key, length) {
    // OpenSSL's 16-byte IV: block counter (little-endian, 4 bytes), then the nonce of RFC 8439.
    return new Uint8Array(node.createCipheriv('chacha20', key, Buffer.alloc(16)).update(Buffer.alloc(length)));
  },
  seal(key, plaintext) {
    const cipher = node.createCipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
    return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
  },
  open(key, sealed) {
    if (sealed.length < TAG_BYTES) return undefined;
    const decipher = node.createDecipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const opened = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
    try {
      return new Uint8Array(Buffer.concat([opened, decipher.final()]));
    } catch {
      return undefined;
    }
  },
};

/** Signer of a 32-byte Ed25519 seed. */
export function signerOf(seed: Uint8Array): Signer {
  const privateKey = privateKeyOf(ED25519_PRIVATE, seed);
  return {
    publicKey: rawPublic(privateKey),
    sign: (message) => new Uint8Array(node.sign(null, message, privateKey)),
  };
}
