import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import type { HistogramLayout, Segment } from './index.ts';
import { cellCount, cellIndex, countRecords, reconcile } from './index.ts';

const layout: HistogramLayout = {
  edges: [0, 1, 2],
  margins: [
    { name: 'all', groups: ['all'] },
    { name: 'country', groups: ['DK', 'FI', 'other'] },
    { name: 'structure', groups: ['wood', 'other'] },
  ],
};
const segments: Segment[] = layout.margins.flatMap(({ name, groups }) =>
  groups.map((group) => ({ margin: name, group })),
);

/** Weight of every released cell in the estimate of the segment's first bin: the estimate is linear. */
function weightsOf(segment: Segment): number[] {
  const size = cellCount(layout);
  return Array.from({ length: size }, (_, cell) => {
    const unit = Array.from({ length: size }, (_, i) => (i === cell ? 1 : 0));
    return reconcile(layout, unit, 1, segment).counts[0]!;
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
        const m = layout.margins.findIndex((margin) => margin.name === segment.margin);
        const g = layout.margins[m]!.groups.indexOf(segment.group);
        const { counts } = reconcile(layout, exact, 3, segment);
        for (const bin of [0, 1]) expect(counts[bin]).toBeCloseTo(exact[cellIndex(layout, m, g, bin)]!, 9);
      }),
    );
  });

  it.each(segments)('states the noise that its weights leave: $margin $group', (segment) => {
    const variance = weightsOf(segment).reduce((sum, weight) => sum + weight * weight, 0);
    expect(reconcile(layout, new Float64Array(cellCount(layout)), 1, segment).noiseSd).toBeCloseTo(
      Math.sqrt(variance),
      12,
    );
  });

  // Gauss-Markov: an unbiased linear estimate has least variance exactly when it is uncorrelated with every contrast of expectation zero.
  it.each(segments)('has the least variance of all unbiased estimates: $margin $group', (segment) => {
    const weights = weightsOf(segment);
    const marginSum = (m: number): number =>
      layout.margins[m]!.groups.reduce((sum, _, g) => sum + weights[cellIndex(layout, m, g, 0)]!, 0);
    for (const m of [1, 2]) expect(marginSum(m)).toBeCloseTo(marginSum(0), 12);
  });

  it('takes a release of a single margin as it is', () => {
    const single: HistogramLayout = { edges: [0, 1, 2], margins: [{ name: 'country', groups: ['DK', 'other'] }] };
    const { counts, noiseSd } = reconcile(single, [1, 2, 3, 4], 7, { margin: 'country', group: 'other' });
    expect([...counts]).toEqual([3, 4]);
    expect(noiseSd).toBe(7);
  });

  it('refuses a release of another length and an unknown segment', () => {
    expect(() => reconcile(layout, [1, 2], 1, segments[0]!)).toThrow(InvalidInputError);
    expect(() => reconcile(layout, new Int32Array(12), 1, { margin: 'country', group: 'SE' })).toThrow('country = SE');
  });
});
