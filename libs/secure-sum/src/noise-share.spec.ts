import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { noiseShare } from './index.ts';

describe('noiseShare', () => {
  it('any K_min survivors less the colluding ones reach the total, by the smallest multiple of 1/64', () => {
    const request = fc
      .record({ numerator: fc.integer({ min: 1, max: 2 ** 30 }), denominator: fc.constantFrom(1, 3, 7, 64, 1000) })
      .chain(({ numerator, denominator }) =>
        fc.integer({ min: 1, max: 500 }).chain((minSurvivors) =>
          fc.record({
            totalSigmaSquared: fc.constant(numerator / denominator),
            minSurvivors: fc.constant(minSurvivors),
            maxColluding: fc.integer({ min: 0, max: minSurvivors - 1 }),
          }),
        ),
      );
    fc.assert(
      fc.property(request, ({ totalSigmaSquared, minSurvivors, maxColluding }) => {
        const { sigmaSquared } = noiseShare({ totalSigmaSquared, minSurvivors, maxColluding });
        const honest = minSurvivors - maxColluding;
        // Exact: both sides have at most 53 bits.
        expect(Number.isInteger(sigmaSquared * 64)).toBe(true);
        expect(sigmaSquared * honest).toBeGreaterThanOrEqual(totalSigmaSquared);
        expect((sigmaSquared - 2 / 64) * honest).toBeLessThan(totalSigmaSquared);
      }),
    );
  });

  it('is exact where the division is', () => {
    expect(noiseShare({ totalSigmaSquared: 14, minSurvivors: 14, maxColluding: 0 })).toEqual({ sigmaSquared: 1 });
    expect(noiseShare({ totalSigmaSquared: 13, minSurvivors: 14, maxColluding: 1 })).toEqual({ sigmaSquared: 1 });
    expect(noiseShare({ totalSigmaSquared: 1, minSurvivors: 3, maxColluding: 0 })).toEqual({ sigmaSquared: 22 / 64 });
  });

  it('refuses a total that is no variance and a federation without an honest client', () => {
    for (const totalSigmaSquared of [0, -1, NaN, Infinity]) {
      expect(() => noiseShare({ totalSigmaSquared, minSurvivors: 3, maxColluding: 0 })).toThrow(/positive number/);
    }
    for (const [minSurvivors, maxColluding] of [
      [3, 3],
      [3, -1],
      [2.5, 1],
    ] as const) {
      // prettier-ignore
      expect(() => noiseShare({ totalSigmaSquared: 1, minSurvivors, maxColluding })).toThrow(/must exceed maxColluding/);
    }
  });
});
