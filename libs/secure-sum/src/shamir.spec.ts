import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { lagrangeAtZero, multiply, recoverSecret, splitSecret } from './shamir.ts';

/** Product of two polynomials over GF(2), reduced modulo x^8 + x^4 + x^3 + x + 1. */
function slowMultiply(a: number, b: number): number {
  let product = 0;
  for (let i = 0; i < 8; i++) if (b & (1 << i)) product ^= a << i;
  for (let i = 14; i >= 8; i--) if (product & (1 << i)) product ^= 0x11b << (i - 8);
  return product;
}

const dealing = fc
  .record({ shares: fc.integer({ min: 1, max: 50 }), secret: fc.uint8Array({ minLength: 1, maxLength: 40 }) })
  .chain(({ shares, secret }) =>
    fc.integer({ min: 1, max: shares }).chain((threshold) =>
      fc.record({
        secret: fc.constant(secret),
        shares: fc.constant(shares),
        threshold: fc.constant(threshold),
        coefficients: fc.uint8Array({
          minLength: (threshold - 1) * secret.length,
          maxLength: (threshold - 1) * secret.length,
        }),
        order: fc.shuffledSubarray(
          Array.from({ length: shares }, (_, i) => i),
          { minLength: threshold, maxLength: threshold },
        ),
      }),
    ),
  );

describe('Shamir shares over GF(256)', () => {
  it('multiplies as the field does, for all pairs', () => {
    for (let a = 0; a < 256; a++)
      for (let b = 0; b < 256; b++) if (multiply(a, b) !== slowMultiply(a, b)) throw new Error(`${a} ${b}`);
    expect(multiply(0x57, 0x83)).toBe(0xc1);
  });

  it('any threshold of shares give the secret back', () => {
    fc.assert(
      fc.property(dealing, ({ secret, shares, threshold, coefficients, order }) => {
        const dealt = splitSecret(secret, { shares, threshold }, coefficients);
        expect(recoverSecret(order.map((i) => ({ x: i + 1, y: dealt[i]! })))).toEqual(secret);
      }),
    );
  });

  it('one share fewer fits every secret: some coefficients give the same shares', () => {
    // For two of three shares of one byte, each of the 256 secrets has exactly one pair of coefficients behind the same two shares.
    const seen = new Map<string, Set<number>>();
    for (let secret = 0; secret < 256; secret += 51) {
      for (let a = 0; a < 256; a++) {
        for (let b = 0; b < 256; b++) {
          const first = secret ^ a ^ b;
          const second = secret ^ multiply(2, a) ^ multiply(4, b);
          if (first !== 17 || second !== 99) continue;
          const key = '17,99';
          seen.set(key, (seen.get(key) ?? new Set()).add(secret));
          const dealt = splitSecret(Uint8Array.of(secret), { shares: 3, threshold: 3 }, Uint8Array.of(a, b));
          expect([dealt[0]![0], dealt[1]![0]]).toEqual([17, 99]);
        }
      }
    }
    expect([...(seen.get('17,99') ?? [])]).toEqual([0, 51, 102, 153, 204, 255]);
  });

  it('refuses impossible numbers, equal points and shares of different length', () => {
    const none = new Uint8Array();
    expect(() => splitSecret(none, { shares: 2, threshold: 3 }, none)).toThrow(/3 of 2 shares/);
    expect(() => splitSecret(none, { shares: 256, threshold: 3 }, none)).toThrow(InvalidInputError);
    expect(() => splitSecret(Uint8Array.of(1), { shares: 3, threshold: 2 }, none)).toThrow(/expected 1 bytes/);
    expect(() => lagrangeAtZero([1, 2, 1])).toThrow(/different points/);
    expect(() => lagrangeAtZero([0, 2])).toThrow(/different points/);
    const [short, long] = [Uint8Array.of(1), Uint8Array.of(1, 2)];
    expect(() =>
      recoverSecret([
        { x: 1, y: short },
        { x: 2, y: long },
      ]),
    ).toThrow(/one length/);
  });
});
