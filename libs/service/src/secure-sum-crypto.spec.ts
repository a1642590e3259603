import { concatBytes, fromHex, toHex } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { secureSumCrypto as crypto } from './index.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const littleEndian = (data: Uint8Array) => data.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** Poly1305 by its definition (RFC 8439, section 2.5). */
function poly1305(key: Uint8Array, message: Uint8Array): bigint {
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    sum = ((sum + littleEndian(Uint8Array.of(...message.subarray(at, at + 16), 1))) * r) % (2n ** 130n - 5n);
  }
  return (sum + littleEndian(key.subarray(16))) % 2n ** 128n;
}

/** ChaCha20-Poly1305 by its definition (RFC 8439, section 2.8), nonce zero and no additional data, on the key stream. */
function sealed(key: Uint8Array, plaintext: Uint8Array): { readonly ciphertext: Uint8Array; readonly tag: bigint } {
  const stream = crypto.chacha20(key, 64 + plaintext.length);
  const ciphertext = plaintext.map((byte, i) => byte ^ (stream[64 + i] as number));
  const padding = new Uint8Array((16 - (plaintext.length % 16)) % 16);
  const lengths = new Uint8Array(16);
  new DataView(lengths.buffer).setUint32(8, plaintext.length, true);
  return { ciphertext, tag: poly1305(stream.subarray(0, 32), concatBytes(ciphertext, padding, lengths)) };
}

describe('X25519', () => {
  it('agrees as in RFC 7748, section 6.1', () => {
    const alice = fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
    const bob = fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
    const [alicePublic, bobPublic] = [crypto.x25519PublicKey(alice), crypto.x25519PublicKey(bob)];
    expect(toHex(alicePublic)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(toHex(bobPublic)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(toHex(crypto.x25519(alice)(bobPublic))).toBe(shared);
    expect(toHex(crypto.x25519(bob)(alicePublic))).toBe(shared);
  });

  it('gives zeros for a public key of low order', () => {
    expect(crypto.x25519(new Uint8Array(32).fill(7))(new Uint8Array(32))).toEqual(new Uint8Array(32));
  });
});

it('HKDF-SHA-256 derives as in RFC 5869, appendix A.1', () => {
  const secret = new Uint8Array(22).fill(0x0b);
  const [salt, info] = [fromHex('000102030405060708090a0b0c'), fromHex('f0f1f2f3f4f5f6f7f8f9')];
  expect(toHex(crypto.hkdf(secret, salt, info, 42))).toBe(
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  );
});

it('ChaCha20 streams as in RFC 8439, appendix A.1, vectors 1 and 2', () => {
  expect(toHex(crypto.chacha20(new Uint8Array(32), 128))).toBe(
    '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586' +
      '9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f',
  );
});

describe('ChaCha20-Poly1305', () => {
  it('seals as RFC 8439 defines it', () => {
    fc.assert(
      fc.property(bytes(32), fc.uint8Array({ maxLength: 300 }), (key, plaintext) => {
        const { ciphertext, tag } = sealed(key, plaintext);
        const found = crypto.seal(key, plaintext);
        expect(found.subarray(0, -16)).toEqual(ciphertext);
        expect(littleEndian(found.subarray(-16))).toBe(tag);
      }),
      { numRuns: 50 },
    );
  });

  it('opens what it sealed and nothing else', () => {
    fc.assert(
      fc.property(bytes(32), fc.uint8Array({ maxLength: 100 }), fc.nat(), (key, plaintext, at) => {
        const whole = crypto.seal(key, plaintext);
        expect(crypto.open(key, whole)).toEqual(plaintext);
        const changed = whole.slice();
        changed[at % whole.length]! ^= 1 + (at % 255);
        expect(crypto.open(key, changed)).toBeUndefined();
        expect(crypto.open(key, whole.subarray(1))).toBeUndefined();
        expect(
          crypto.open(
            key.map((byte) => byte ^ 1),
            whole,
          ),
        ).toBeUndefined();
      }),
      { numRuns: 50 },
    );
    expect(crypto.open(new Uint8Array(32), new Uint8Array(15))).toBeUndefined();
  });
});
