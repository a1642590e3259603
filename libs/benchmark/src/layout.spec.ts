import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import type { HistogramLayout, HistogramRow } from './index.ts';
import {
  cellCount,
  checkLayout,
  countRecords,
  ecebdLayout,
  outcomeRange,
  sensitivitySquared,
  tablesOf,
  uciHeatingLayout,
} from './index.ts';

const edges = [0, 1, 5, 10];
const layout: HistogramLayout = {
  margins: [
    { name: 'all', groups: ['all'], histograms: [edges, [0, 2, 10], [0, 5, 6, 7, 10]] },
    { name: 'country', groups: ['DK', 'FI', 'other'], histograms: [edges] },
    { name: 'structure', groups: ['wood', 'other'], histograms: [edges, [0, 4, 10]] },
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
        const tables = layout.margins.flatMap((margin) => margin.histograms.map((limits) => ({ ...margin, limits })));
        for (const { name, groups, limits } of tables) {
          for (const group of groups) {
            for (let bin = 0; bin < limits.length - 1; bin++) {
              const from = bin === 0 ? -Infinity : limits[bin]!;
              const to = bin === limits.length - 2 ? Infinity : limits[bin + 1]!;
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

  it('moves as many cells as its squared sensitivity, each by one, for every record that there can be', () => {
    const outcomes = [-1, ...Array.from({ length: 23 }, (_, i) => i / 2)];
    const labels = ['DK', 'FI', 'wood', 'other', 'XX', undefined];
    for (const y of outcomes) {
      for (const country of labels) {
        for (const structure of labels) {
          const moved = countRecords(layout, [{ y, groups: { country, structure } }]).filter((count) => count !== 0);
          expect([...moved]).toEqual(Array.from({ length: sensitivitySquared(layout) }, () => 1));
        }
      }
    }
    expect(sensitivitySquared(layout)).toBe(6);
  });

  it('adds up over records', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 10 }), fc.array(row, { maxLength: 10 }), (some, others) => {
        const sum = countRecords(layout, others).map((count, cell) => count + countRecords(layout, some)[cell]!);
        expect(countRecords(layout, [...some, ...others])).toEqual(sum);
      }),
    );
  });

  it('refuses a record without an outcome', () => {
    expect(() => countRecords(layout, [{ y: NaN, groups: {} }])).toThrow(InvalidInputError);
  });
});

describe('tablesOf', () => {
  it('divides the released vector without gap or overlap', () => {
    const tables = tablesOf(layout);
    const ends = tables.map(({ offset, margin, edges: limits }) => offset + margin.groups.length * (limits.length - 1));
    expect(tables.map(({ offset }) => offset)).toEqual([0, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(cellCount(layout));
  });
});

describe('checkLayout', () => {
  const all = { name: 'all', groups: ['all'], histograms: [edges] };
  const over = (...histograms: number[][]): HistogramLayout => ({ margins: [all, { ...all, name: 'a', histograms }] });
  it.each<[string, HistogramLayout]>([
    ['margin a: edges [0, 10]: at least 3', over([0, 10])],
    ['margin a: edges [0, 2, 2, 10]: 2 does not ascend', over(edges, [0, 2, 2, 10])],
    ['NaN is not a finite number', over([0, NaN, 10])],
    ['margin a: edges [0, 4, 9]: not from 0 to 10', over([0, 4, 9])],
    ['margin a: edges [1, 4, 10]: not from 0 to 10', over([1, 4, 10])],
    ['margin a: no histogram', over()],
    ['the same edges', over(edges, [0, 4, 10], edges)],
    ['margins', { margins: [] }],
    ['twice', { margins: [all, all] }],
    ['no group', { margins: [{ ...all, groups: [] }] }],
    ['listed twice', { margins: [{ ...all, groups: ['x', 'x', 'other'] }] }],
    ['"other"', { margins: [{ ...all, groups: ['x', 'y'] }] }],
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
    expect([outcomeRange(ecebd), outcomeRange(uci)]).toEqual([
      [2, 22],
      [0, 50],
    ]);
  });

  it('leave out a margin without groups', () => {
    expect(uciHeatingLayout({ glazingAreas: [] }).margins.map((margin) => margin.name)).toEqual(['all']);
  });
});
