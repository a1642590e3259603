import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import type { HistogramLayout, HistogramRow } from './index.ts';
import {
  cellCount,
  cellIndex,
  checkLayout,
  countRecords,
  ecebdLayout,
  sensitivitySquared,
  uciHeatingLayout,
} from './index.ts';

const layout: HistogramLayout = {
  edges: [0, 1, 5, 10],
  margins: [
    { name: 'all', groups: ['all'] },
    { name: 'country', groups: ['DK', 'FI', 'other'] },
    { name: 'structure', groups: ['wood', 'other'] },
  ],
};

const row: fc.Arbitrary<HistogramRow> = fc.record({
  y: fc.double({ min: -5, max: 15, noNaN: true }),
  groups: fc.record({
    country: fc.constantFrom('DK', 'FI', 'XX', undefined),
    structure: fc.constantFrom('wood', 'other', undefined),
  }),
});

describe('countRecords', () => {
  it('agrees with counting each cell on its own', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
        const counts = countRecords(layout, rows);
        let cell = 0;
        for (const { name, groups } of layout.margins) {
          for (const group of groups) {
            for (let bin = 0; bin < 3; bin++) {
              const from = bin === 0 ? -Infinity : layout.edges[bin]!;
              const to = bin === 2 ? Infinity : layout.edges[bin + 1]!;
              const expected = rows.filter(({ y, groups: own }) => {
                const label = own[name];
                const listed = label !== undefined && groups.includes(label) ? label : groups.at(-1);
                return y >= from && y < to && listed === group;
              });
              expect(counts[cell++]).toBe(expected.length);
            }
          }
        }
        expect(cell).toBe(counts.length);
      }),
    );
  });

  it('changes by an L2 norm of exactly the sensitivity when one record is added', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 10 }), row, (rows, added) => {
        const before = countRecords(layout, rows);
        const after = countRecords(layout, [...rows, added]);
        const squared = after.reduce((sum, count, cell) => sum + (count - before[cell]!) ** 2, 0);
        expect(squared).toBe(sensitivitySquared(layout));
      }),
    );
  });

  it('refuses a record without an outcome', () => {
    expect(() => countRecords(layout, [{ y: NaN, groups: {} }])).toThrow(InvalidInputError);
  });
});

describe('cellIndex', () => {
  it('numbers all cells once, margin by margin', () => {
    const seen = layout.margins.flatMap((margin, m) =>
      margin.groups.flatMap((_, g) => [0, 1, 2].map((bin) => cellIndex(layout, m, g, bin))),
    );
    expect(seen).toEqual(Array.from({ length: cellCount(layout) }, (_, i) => i));
  });

  it.each([
    [3, 0, 0],
    [0, 1, 0],
    [0, 0, 3],
    [0, 0, -1],
  ])('refuses margin %d, group %d, bin %d', (margin, group, bin) => {
    expect(() => cellIndex(layout, margin, group, bin)).toThrow(InvalidInputError);
  });
});

describe('checkLayout', () => {
  it.each<[string, HistogramLayout]>([
    ['edges', { ...layout, edges: [0, 1] }],
    ['edges[2]', { ...layout, edges: [0, 2, 2, 3] }],
    ['edges[1]', { ...layout, edges: [0, NaN, 2] }],
    ['margins', { ...layout, margins: [] }],
    ['twice', { ...layout, margins: [...layout.margins, layout.margins[0]!] }],
    ['no group', { ...layout, margins: [{ name: 'a', groups: [] }] }],
    ['listed twice', { ...layout, margins: [{ name: 'a', groups: ['x', 'x', 'other'] }] }],
    ['"other"', { ...layout, margins: [{ name: 'a', groups: ['x', 'y'] }] }],
  ])('names the place of a fault: %s', (place, faulty) => {
    expect(() => checkLayout(faulty)).toThrow(place);
  });
});

describe('default layouts', () => {
  it('release four margins of ECEBD and two of UCI, over the ranges of their plans', () => {
    const ecebd = ecebdLayout({ countries: ['France'], subtypes: ['Row house'], structures: ['frame wood'] });
    const uci = uciHeatingLayout({ glazingAreas: ['0.10', '0.25'] });
    checkLayout(ecebd);
    checkLayout(uci);
    expect([sensitivitySquared(ecebd), sensitivitySquared(uci)]).toEqual([4, 2]);
    expect([ecebd.edges[0], ecebd.edges.at(-1), uci.edges[0], uci.edges.at(-1)]).toEqual([2, 22, 0, 50]);
  });

  it('leave out a margin without groups', () => {
    expect(uciHeatingLayout({ glazingAreas: [] }).margins.map((margin) => margin.name)).toEqual(['all']);
  });
});
