import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import type { HistogramLayout, Segment } from './index.ts';
import { cellCount, countRecords, reconcile, tablesOf } from './index.ts';

const edges = [0, 1, 2];
const shifted = [0, 0.5, 1.5, 2];
const layout: HistogramLayout = {
  margins: [
    { name: 'all', groups: ['all'], histograms: [edges, shifted] },
    { name: 'country', groups: ['DK', 'FI', 'other'], histograms: [edges] },
    { name: 'structure', groups: ['wood', 'other'], histograms: [edges] },
  ],
};
const segments: Segment[] = layout.margins.flatMap(({ name, groups }) =>
  groups.map((group) => ({ margin: name, group })),
);
const all: Segment = { margin: 'all', group: 'all' };

/** Weight of every released cell in the estimate of the first bin of the segment's histogram: the estimate is linear. */
function weightsOf(segment: Segment, histogram = 0): number[] {
  const size = cellCount(layout);
  return Array.from({ length: size }, (_, cell) => {
    const unit = Array.from({ length: size }, (_, i) => (i === cell ? 1 : 0));
    return reconcile(layout, unit, 1, segment).histograms[histogram]!.counts[0]!;
  });
}

describe('reconcile', () => {
  it('returns the counts themselves when there is no noise', () => {
    const row = fc.record({
      y: fc.double({ min: 0, max: 2, noNaN: true }),
      groups: fc.record({
        country: fc.constantFrom('DK', 'FI', undefined),
        structure: fc.constantFrom('wood', undefined),
      }),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), fc.constantFrom(...segments), (rows, segment) => {
        const exact = countRecords(layout, rows);
        const own = tablesOf(layout).filter(({ margin }) => margin.name === segment.margin);
        const { histograms } = reconcile(layout, exact, 3, segment);
        expect(histograms.map((histogram) => histogram.edges)).toEqual(own.map((table) => table.edges));
        histograms.forEach(({ counts }, h) => {
          const { margin, offset } = own[h]!;
          const first = offset + margin.groups.indexOf(segment.group) * counts.length;
          counts.forEach((count, bin) => expect(count).toBeCloseTo(exact[first + bin]!, 9));
        });
      }),
    );
  });

  it.each(segments)('states the noise that its weights leave: $margin $group', (segment) => {
    const variance = weightsOf(segment).reduce((sum, weight) => sum + weight * weight, 0);
    const [first] = reconcile(layout, new Float64Array(cellCount(layout)), 1, segment).histograms;
    expect(first!.noiseSd).toBeCloseTo(Math.sqrt(variance), 12);
  });

  // Gauss-Markov: an unbiased linear estimate has least variance exactly when it is uncorrelated with every contrast of expectation zero.
  it.each(segments)('has the least variance of all unbiased estimates: $margin $group', (segment) => {
    const weights = weightsOf(segment);
    const [whole, ...parts] = tablesOf(layout)
      .filter((table) => table.edges === edges)
      .map(({ margin, offset }) => margin.groups.reduce((sum, _, g) => sum + weights[offset + 2 * g]!, 0));
    for (const part of parts) expect(part).toBeCloseTo(whole!, 12);
  });

  it('gives the whole every histogram, also of edges that only groups have, and leaves alone what nothing else has', () => {
    const grouped: HistogramLayout = {
      margins: [
        { name: 'all', groups: ['all'], histograms: [shifted] },
        { name: 'country', groups: ['DK', 'other'], histograms: [edges] },
      ],
    };
    const noisy = [1, 2, 3, 10, 20, 30, 40];
    expect(reconcile(grouped, noisy, 5, all)).toEqual({
      histograms: [
        { edges: shifted, counts: Float64Array.of(1, 2, 3), noiseSd: 5 },
        { edges, counts: Float64Array.of(40, 60), noiseSd: 5 * Math.SQRT2 },
      ],
      whole: true,
    });
    expect(reconcile(grouped, noisy, 5, { margin: 'country', group: 'other' })).toEqual({
      histograms: [{ edges, counts: Float64Array.of(30, 40), noiseSd: 5 }],
      whole: false,
    });
    expect(weightsOf(all, 1).filter((weight) => weight !== 0)).toEqual([1]);
  });

  it('refuses a release of another length and an unknown segment', () => {
    expect(() => reconcile(layout, [1, 2], 1, all)).toThrow(InvalidInputError);
    const cells = new Int32Array(cellCount(layout));
    expect(() => reconcile(layout, cells, 1, { margin: 'country', group: 'SE' })).toThrow('country = SE');
  });
});
