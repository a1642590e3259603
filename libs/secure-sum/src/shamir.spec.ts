import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { interpolate, lagrangeWeights, multiply, type Share } from './shamir.ts';

/** Product of two polynomials over GF(2), reduced modulo x^8 + x^4 + x^3 + x + 1. */
function slowMultiply(a: number, b: number): number {
  let product = 0;
  for (let i = 0; i < 8; i++) if (b & (1 << i)) product ^= a << i;
  for (let i = 14; i >= 8; i--) if (product & (1 << i)) product ^= 0x11b << (i - 8);
  return product;
}

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A secret, the threshold of its shares, where the threshold - 1 shares are that are chosen at will, and these. */
const dealing = fc
  .record({ shares: fc.integer({ min: 1, max: 50 }), secret: fc.uint8Array({ minLength: 1, maxLength: 40 }) })
  .chain(({ shares, secret }) =>
    fc.integer({ min: 1, max: shares }).chain((threshold) => {
      const xs = Array.from({ length: shares }, (_, i) => i + 1);
      const some = (count: number) => fc.shuffledSubarray(xs, { minLength: count, maxLength: count });
      return fc.record({
        secret: fc.constant(secret),
        otherSecret: bytesOf(secret.length),
        free: some(threshold - 1),
        values: fc.array(bytesOf(secret.length), { minLength: threshold - 1, maxLength: threshold - 1 }),
        enough: some(threshold),
        tooFew: some(threshold - 1),
      });
    }),
  );

/** The shares of all of `xs`: those that are chosen at will, and what follows from them and the secret. */
function deal(secret: Uint8Array, free: readonly Share[], xs: readonly number[]): Share[] {
  return xs.map((x) => ({ x, y: interpolate([{ x: 0, y: secret }, ...free], x) }));
}

describe('Shamir shares over GF(256)', () => {
  it('multiplies as the field does, for all pairs', () => {
    for (let a = 0; a < 256; a++)
      for (let b = 0; b < 256; b++) if (multiply(a, b) !== slowMultiply(a, b)) throw new Error(`${a} ${b}`);
    expect(multiply(0x57, 0x83)).toBe(0xc1);
  });

  it('any threshold of shares give the secret back', () => {
    fc.assert(
      fc.property(dealing, ({ secret, free, values, enough }) => {
        const chosen = free.map((x, i) => ({ x, y: values[i]! }));
        expect(deal(secret, chosen, free)).toEqual(chosen);
        expect(interpolate(deal(secret, chosen, enough), 0)).toEqual(secret);
      }),
    );
  });

  it('one share fewer fits every secret: with other free shares of those who are not among them', () => {
    fc.assert(
      fc.property(dealing, ({ secret, otherSecret, free, values, tooFew }) => {
        const chosen = free.map((x, i) => ({ x, y: values[i]! }));
        const seen = deal(secret, chosen, tooFew);
        const other = deal(otherSecret, seen, free);
        for (const [i, { x, y }] of other.entries()) if (tooFew.includes(x)) expect(y).toEqual(values[i]);
        expect(deal(otherSecret, other, tooFew)).toEqual(seen);
      }),
    );
  });

  it('two of three shares run through all values with the free ones, whatever the secret', () => {
    for (const secret of [0, 7, 255]) {
      const seen = new Set<number>();
      for (let a = 0; a < 256; a++) {
        for (let b = 0; b < 256; b++) {
          const free = [1, 2].map((x, i) => ({ x, y: Uint8Array.of([a, b][i]!) }));
          const [second, third] = deal(Uint8Array.of(secret), free, [2, 3]);
          seen.add((second!.y[0]! << 8) | third!.y[0]!);
        }
      }
      expect(seen.size).toBe(2 ** 16);
    }
  });

  it('refuses equal and impossible points, and shares of different length', () => {
    expect(() => lagrangeWeights([1, 2, 1], 0)).toThrow(/different points/);
    expect(() => lagrangeWeights([-1, 2], 0)).toThrow(/different points/);
    expect(() => lagrangeWeights([1, 256], 0)).toThrow(InvalidInputError);
    const [short, long] = [Uint8Array.of(1), Uint8Array.of(1, 2)];
    const unequal = [short, long].map((y, i) => ({ x: i + 1, y }));
    expect(() => interpolate(unequal, 0)).toThrow(/one length/);
  });
});
