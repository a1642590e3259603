import {
  type Sha256,
  type Signer,
  type VerifySignature,
  InvalidInputError,
  fromBase64Url,
  toBase64Url,
} from '@fedcarbon/kernel';
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { ConfigurationError, readConfiguredFile } from './config.ts';

/** SHA-256 by OpenSSL. */
export const sha256: Sha256 = (data) => new Uint8Array(createHash('sha256').update(data).digest());

/** Keys to sign with, and keys that others seal for. */
export type KeyType = 'Ed25519' | 'X25519';

/** An X25519 key pair, raw: 32 bytes each. */
export interface SealingKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** A new private key as PKCS#8 PEM. Write it with mode 0600. */
export function generateKeyPem(type: KeyType = 'Ed25519'): string {
  const { privateKey } = type === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519');
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Signer of an Ed25519 private key in PKCS#8 PEM. Throws InvalidInputError for anything else; the message never quotes the key. */
export function signerFromPem(pem: string): Signer {
  const key = privateKeyFromPem(pem, 'Ed25519');
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: fromBase64Url(x ?? ''),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

/** The key pair of an X25519 private key in PKCS#8 PEM. Throws as `signerFromPem`. */
export function sealingKeyFromPem(pem: string): SealingKey {
  const { x, d } = privateKeyFromPem(pem, 'X25519').export({ format: 'jwk' });
  return { publicKey: fromBase64Url(x ?? ''), privateKey: fromBase64Url(d ?? '') };
}

function privateKeyFromPem(pem: string, type: KeyType): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new InvalidInputError('not a private key in PEM');
  }
  if (key.asymmetricKeyType !== type.toLowerCase()) {
    throw new InvalidInputError(`a key of type ${String(key.asymmetricKeyType)} instead of ${type}`);
  }
  return key;
}

/** Signer of the key in `pemFile`. Throws ConfigurationError that names the file, also unless it is the key that the plan names, where one is given. */
export function loadSigner(pemFile: string, publicKey?: string): Signer {
  return loadKey(pemFile, signerFromPem, publicKey);
}

/** The same for an X25519 key. */
export function loadSealingKey(pemFile: string, publicKey?: string): SealingKey {
  return loadKey(pemFile, sealingKeyFromPem, publicKey);
}

function loadKey<Key extends { readonly publicKey: Uint8Array }>(
  pemFile: string,
  read: (pem: string) => Key,
  expected: string | undefined,
): Key {
  const pem = readConfiguredFile(pemFile);
  try {
    const key = read(pem);
    const found = toBase64Url(key.publicKey);
    if (expected === undefined || found === expected) return key;
    throw new ConfigurationError(`${pemFile} holds the key ${found}, the plan names ${expected}`);
  } catch (error) {
    if (error instanceof InvalidInputError) throw new ConfigurationError(`${pemFile} is ${error.message}`);
    throw error;
  }
}

const MAX_CACHED_KEYS = 1024;
const keys = new Map<string, KeyObject>();

/** Importing a key costs about as much as verifying with it, and a federation has few keys. */
function importedKey(publicKey: Uint8Array): KeyObject {
  const x = toBase64Url(publicKey);
  let key = keys.get(x);
  if (key === undefined) {
    key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    if (keys.size >= MAX_CACHED_KEYS) keys.clear();
    keys.set(x, key);
  }
  return key;
}

/** Ed25519 (RFC 8032) by OpenSSL. False for malformed keys and signatures. */
export const verifySignature: VerifySignature = (publicKey, message, signature) => {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    return verify(null, message, importedKey(publicKey), signature);
  } catch {
    return false;
  }
};

/**
 * `verify` with a memory of its last good signatures, at most `capacity`: holders in one process get the same messages, and most of what each of them verifies
 * are the others' signatures.
 */
export function rememberingVerify(verify: VerifySignature, capacity = 256): VerifySignature {
  const good = new Set<string>();
  return (publicKey, message, signature) => {
    // Of other lengths, another triple could have the same bytes behind each other.
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const triple = createHash('sha256').update(publicKey).update(signature).update(message).digest('base64');
    if (good.has(triple)) return true;
    if (!verify(publicKey, message, signature)) return false;
    const [oldest] = good;
    if (oldest !== undefined && good.size >= capacity) good.delete(oldest);
    good.add(triple);
    return true;
  };
}
