import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import type { HistogramLayout, PercentileRequest } from './index.ts';
import { cellCount, countRecords, DECILES, estimatePercentiles } from './index.ts';

const edges = [0, 10, 20, 30, 40];
const layout: HistogramLayout = {
  margins: [
    { name: 'all', groups: ['all'], histograms: [edges, [0, 5, 15, 25, 35, 40]] },
    { name: 'country', groups: ['DK', 'FI', 'other'], histograms: [edges] },
  ],
};
const all = { margin: 'all', group: 'all' };
/** Quantile of the triangular distribution from 5 to 35. */
const triangular = (level: number): number =>
  level < 0.5 ? 5 + 30 * Math.sqrt(level / 2) : 35 - 30 * Math.sqrt((1 - level) / 2);
/** 1,000 records of it; every fourth in DK, none in FI. */
const exact = countRecords(
  layout,
  Array.from({ length: 1000 }, (_, i) => ({
    y: triangular((i + 0.5) / 1000),
    groups: { country: i % 4 === 0 ? 'DK' : undefined },
  })),
);
const request: PercentileRequest = { layout, noisyCounts: exact, noiseSd: 10, nominalRecords: 1000, segment: all };

describe('estimatePercentiles', () => {
  it('finds the percentiles of a smooth stock from counts without noise, within a sixth of a bin', () => {
    const { percentiles } = estimatePercentiles({ ...request, noiseSd: 0 });
    expect(percentiles.map(({ level }) => level)).toEqual([...DECILES]);
    for (const { level, value, low, high } of percentiles) {
      expect(Math.abs(value - triangular(level))).toBeLessThan(10 / 6);
      expect(low).toBeLessThan(triangular(level));
      expect(high).toBeGreaterThan(triangular(level));
    }
    expect(percentiles.slice(2).every(({ status }) => status === 'ok')).toBe(true);
  });

  it('keeps every figure in the range, ordered within a level and from level to level, whatever was released', () => {
    const release = fc.record({
      noisyCounts: fc.array(fc.integer({ min: -2000, max: 3000 }), {
        minLength: cellCount(layout),
        maxLength: cellCount(layout),
      }),
      noiseSd: fc.double({ min: 0, max: 500, noNaN: true }),
      group: fc.constantFrom('all', 'DK'),
    });
    fc.assert(
      fc.property(release, ({ noisyCounts, noiseSd, group }) => {
        const segment = { margin: group === 'all' ? 'all' : 'country', group };
        const { percentiles, distribution } = estimatePercentiles({ ...request, noisyCounts, noiseSd, segment });
        const figures = [
          percentiles.map((p) => p.low),
          percentiles.map((p) => p.value),
          percentiles.map((p) => p.high),
        ];
        for (const ascending of [...figures, ...percentiles.map((p) => [0, p.low, p.value, p.high, 40])]) {
          expect(ascending).toEqual([...ascending].sort((a, b) => a - b));
        }
        for (const { low, percentile, high } of distribution) {
          const ascending = [0, low, percentile, high, 1 + 1e-12];
          expect(ascending).toEqual([...ascending].sort((a, b) => a - b));
        }
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  it('answers the same for the same release', () => {
    expect(estimatePercentiles(request)).toEqual(estimatePercentiles(request));
  });

  it('narrows with less noise and widens with more confidence', () => {
    const width = (changes: Partial<PercentileRequest>): number => {
      const median = estimatePercentiles({ ...request, levels: [0.5], ...changes }).percentiles[0]!;
      return median.high - median.low;
    };
    expect(width({ noiseSd: 10 })).toBeLessThan(width({ noiseSd: 100 }));
    expect(width({ noiseSd: 100 })).toBeLessThan(width({ noiseSd: 400 }));
    expect(width({ confidence: 0.5 })).toBeLessThan(width({ confidence: 0.9 }));
  });

  it('claims nothing of a part that cannot be told from an empty one', () => {
    const { percentiles } = estimatePercentiles({ ...request, segment: { margin: 'country', group: 'FI' } });
    for (const { low, high, status } of percentiles)
      expect({ low, high, status }).toEqual({ low: 0, high: 40, status: 'insufficient_data' });
  });

  it('calls nothing ok that only the prior says', () => {
    const { percentiles } = estimatePercentiles({ ...request, noiseSd: 1e6 });
    expect(new Set(percentiles.map(({ status }) => status))).toEqual(new Set(['insufficient_data']));
  });

  it('calls a level ok exactly up to the given relative half-width', () => {
    const { value, low, high } = estimatePercentiles({ ...request, levels: [0.5] }).percentiles[0]!;
    const ratio = (high - low) / 2 / value;
    const statusAt = (maxRelativeHalfWidth: number): string =>
      estimatePercentiles({ ...request, levels: [0.5], maxRelativeHalfWidth }).percentiles[0]!.status;
    expect([statusAt(ratio * 1.001), statusAt(ratio * 0.999)]).toEqual(['ok', 'insufficient_data']);
  });

  it.each<[string, Partial<PercentileRequest>]>([
    ['-1', { noiseSd: -1 }],
    ['NaN', { noiseSd: NaN }],
    ['0', { nominalRecords: 0 }],
    ['1.5', { levels: [1.5] }],
    ['90', { confidence: 90 }],
    ['country = SE', { segment: { margin: 'country', group: 'SE' } }],
    ['3', { noisyCounts: [1, 2, 3] }],
  ])('refuses, quoting what it found: %s', (found, changes) => {
    expect(() => estimatePercentiles({ ...request, ...changes })).toThrow(InvalidInputError);
    expect(() => estimatePercentiles({ ...request, ...changes })).toThrow(found);
  });
});
