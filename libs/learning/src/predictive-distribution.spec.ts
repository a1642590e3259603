import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { predictiveInterval, predictivePercentile } from './index.ts';

const ascending = (n: number) =>
  fc
    .uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: n, maxLength: n })
    .map((values) => Float64Array.from(values).toSorted());

describe('the predictive interval', () => {
  it('holds exactly its share of n + 1 errors, one of which is left out as the unknown one', () => {
    fc.assert(
      fc.property(fc.constantFrom(10, 20, 30, 100).chain(ascending), (all) => {
        const covered = all.filter((unknown, i) => {
          const interval = predictiveInterval(
            5,
            all.filter((_, j) => j !== i),
            0.8,
          );
          return interval !== undefined && interval.low <= 5 + unknown && 5 + unknown <= interval.high;
        });
        expect(covered).toHaveLength(0.8 * all.length);
      }),
    );
  });

  it('is not given for too few errors', () => {
    const errors = (n: number) => Float64Array.from({ length: n }, (_, i) => i);
    expect(predictiveInterval(5, errors(8), 0.8)).toBeUndefined();
    expect(predictiveInterval(5, errors(9), 0.8)).toEqual({ low: 5, high: 13 });
    expect(predictiveInterval(5, errors(19), 0.9)).toEqual({ low: 5, high: 23 });
    expect(() => predictiveInterval(5, errors(9), 1)).toThrow(InvalidInputError);
  });
});

describe('the predictive percentile', () => {
  it('is uniform over n + 1 errors, one of which is left out as the unknown one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }).chain(ascending), (all) => {
        all.forEach((unknown, i) => {
          const percentile = predictivePercentile(
            5,
            all.filter((_, j) => j !== i),
            5 + unknown,
          );
          expect(percentile).toBeCloseTo((i + 0.5) / all.length, 12);
        });
      }),
    );
  });

  it('counts ties half, and is unknown without errors', () => {
    expect(predictivePercentile(5, Float64Array.of(0, 0, 0), 5)).toBe(0.5);
    expect(predictivePercentile(5, new Float64Array(0), 5)).toBeUndefined();
  });
});
