import { describe, expect, it } from '@jest/globals';
import { sumModulo, toSigned } from '@fedcarbon/codec';
import fc from 'fast-check';
import { decodeWeightedMean, encodeWeighted, maxWeight, weightOf } from './index.ts';

const clients = fc.array(
  fc.record({
    score: fc.double({ min: -3, max: 3, noNaN: true }),
    values: fc.array(fc.integer({ min: -500, max: 500 }), { minLength: 4, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 50 },
);

describe('weighted means under masking', () => {
  it('is the softmax mean up to the rounding of the weights, through a modular sum', () => {
    fc.assert(
      fc.property(clients, fc.double({ min: 0, max: 1, noNaN: true }), (list, maxScore) => {
        const scale = { unit: 1000, maxScore };
        const encoded = list.map(({ values, score }) => encodeWeighted(Int32Array.from(values), score, scale));
        const mean = decodeWeightedMean(toSigned(sumModulo(encoded, 31), 31));
        const exact = list.map(({ score }) => Math.exp(Math.min(maxScore, Math.max(-maxScore, score))));
        const total = exact.reduce((sum, weight) => sum + weight, 0);
        mean.forEach((value, k) => {
          const softmax = list.reduce((sum, { values }, i) => sum + (exact[i]! / total) * values[k]!, 0);
          // Each weight is off by half a unit at most, relative to at least e^-B; the mean of values up to 500 by twice that.
          expect(Math.abs(value - softmax)).toBeLessThanOrEqual((2 * 500 * 0.5) / (1000 * Math.exp(-maxScore)));
        });
      }),
    );
  });

  it('is exact for the integer weights, and the plain mean for equal scores', () => {
    const scale = { unit: 7, maxScore: 0.5 };
    const [a, b] = [Int32Array.of(3, -10), Int32Array.of(9, 2)];
    const sum = sumModulo([encodeWeighted(a, 0.3, scale), encodeWeighted(b, 0.3, scale)], 20);
    expect([...decodeWeightedMean(toSigned(sum, 20))]).toEqual([6, -4]);
    const [light, heavy] = [weightOf(-0.5, scale), weightOf(9, scale)];
    expect([light, heavy, maxWeight(scale)]).toEqual([4, 12, 12]);
    const uneven = sumModulo([encodeWeighted(a, -0.5, scale), encodeWeighted(b, 9, scale)], 20);
    expect([...decodeWeightedMean(toSigned(uneven, 20))]).toEqual([(4 * 3 + 12 * 9) / 16, (4 * -10 + 12 * 2) / 16]);
  });

  it('refuses scores that are no numbers, products beyond 32 bits, and sums that wrapped', () => {
    const scale = { unit: 1000, maxScore: 1 };
    expect(() => weightOf(NaN, scale)).toThrow(/found NaN/);
    expect(() => weightOf(0, { unit: 0.5, maxScore: 1 })).toThrow(/at least 1/);
    expect(() => weightOf(-1, { unit: 1, maxScore: 5 })).toThrow(/too small/);
    expect(() => encodeWeighted(Int32Array.of(2 ** 30), 1, scale)).toThrow(/does not fit 32 bits/);
    expect(() => decodeWeightedMean(Int32Array.of(4, 0))).toThrow(/must be positive, found 0/);
    expect(() => decodeWeightedMean(new Int32Array())).toThrow(/must be positive/);
  });
});
