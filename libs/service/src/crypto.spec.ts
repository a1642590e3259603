import { fromHex, InvalidInputError, toBase64Url, toHex, utf8 } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@fedcarbon/testing';
import {
  generateKeyPem,
  loadSealingKey,
  loadSigner,
  rememberingVerify,
  secureSumCrypto,
  sealingKeyFromPem,
  sha256,
  signerFromPem,
  verifySignature,
} from './index.ts';

/** RFC 8032, section 7.1, tests 2 and 3. */
const VECTORS = [
  {
    secret: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    secret: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
];
/** PKCS#8 of an Ed25519 seed: a fixed prefix (RFC 8410, section 7) and the 32 bytes. */
const pemOf = (seedHex: string) => {
  const der = Buffer.from(`302e020100300506032b657004220420${seedHex}`, 'hex').toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
};

describe('Ed25519', () => {
  it.each(VECTORS)('signs as RFC 8032 does: message $message', ({ secret, publicKey, message, signature }) => {
    const signer = signerFromPem(pemOf(secret));
    expect(toHex(signer.publicKey)).toBe(publicKey);
    expect(toHex(signer.sign(fromHex(message)))).toBe(signature);
    expect(verifySignature(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(true);
  });

  it('accepts its own signatures and none of another message, key or signature', () => {
    const [a, b] = [signerFromPem(generateKeyPem()), signerFromPem(generateKeyPem())];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(511), (message, bit) => {
        const signature = a.sign(message);
        const flipped = signature.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(verifySignature(a.publicKey, message, signature)).toBe(true);
        expect(verifySignature(a.publicKey, message, flipped)).toBe(false);
        expect(verifySignature(b.publicKey, message, signature)).toBe(false);
        expect(verifySignature(a.publicKey, Uint8Array.of(...message, 0), signature)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('never throws for malformed keys and signatures', () => {
    const bytes = fc.uint8Array({ maxLength: 70 });
    fc.assert(fc.property(bytes, bytes, (key, signature) => !verifySignature(key, utf8('x'), signature)));
    expect(verifySignature(new Uint8Array(32).fill(255), utf8('x'), new Uint8Array(64))).toBe(false);
  });

  it('refuses other keys', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    expect(() => signerFromPem(rsa as string)).toThrow(new InvalidInputError('a key of type rsa instead of Ed25519'));
    expect(() => signerFromPem('x')).toThrow(InvalidInputError);
  });

  it('remembers its last good signatures, and takes nothing else for good', () => {
    const signer = signerFromPem(generateKeyPem());
    let verified = 0;
    const counted = (...given: Parameters<typeof verifySignature>) => {
      verified++;
      return verifySignature(...given);
    };
    const verify = rememberingVerify(counted, 2);
    const messages = ['a', 'b', 'c'].map((text) => utf8(text));
    const isGood = (message: Uint8Array) => verify(signer.publicKey, message, signer.sign(message));
    const [a, b, c] = messages as [Uint8Array, Uint8Array, Uint8Array];
    expect([a, b, a, b].map(isGood)).toEqual([true, true, true, true]);
    expect(verified).toBe(2);
    expect([c, b, a].map(isGood)).toEqual([true, true, true]);
    expect(verified).toBe(4);

    expect(verify(signer.publicKey, b, signer.sign(a))).toBe(false);
    expect(verify(signer.publicKey, b, signer.sign(a))).toBe(false);
    expect(verified).toBe(6);
    // The same bytes, cut at another place.
    const signature = signer.sign(a);
    const [short, long] = [signer.publicKey.slice(0, 31), Uint8Array.of(...signer.publicKey.slice(31), ...signature)];
    expect(isGood(a)).toBe(true);
    expect(verify(short, a, long)).toBe(false);
  });
});

describe('key files', () => {
  it('give the key that the plan names, and no other', () => {
    const folder = temporaryFolder('keys');
    const file = join(folder.path, 'key.pem');
    const pems = { Ed25519: generateKeyPem(), X25519: generateKeyPem('X25519') };
    const other = toBase64Url(new Uint8Array(32));
    try {
      for (const [load, pem, publicKey] of [
        [loadSigner, pems.Ed25519, signerFromPem(pems.Ed25519).publicKey],
        [loadSealingKey, pems.X25519, sealingKeyFromPem(pems.X25519).publicKey],
      ] as const) {
        writeFileSync(file, pem);
        expect(load(file, toBase64Url(publicKey)).publicKey).toEqual(publicKey);
        expect(() => load(file, other)).toThrow(/key\.pem holds the key .*, the plan names A{43}$/);
      }
      expect(() => loadSigner(file)).toThrow(/key\.pem is a key of type x25519 instead of Ed25519/);
    } finally {
      folder.remove();
    }
  });

  it('of X25519 hold a pair', () => {
    const { publicKey, privateKey } = sealingKeyFromPem(generateKeyPem('X25519'));
    expect(secureSumCrypto.x25519PublicKey(privateKey)).toEqual(publicKey);
  });
});

it('sha256 gives the digests of FIPS 180-4', () => {
  expect(toHex(sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(toHex(sha256(new Uint8Array()))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});
