import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import Papa from 'papaparse';
import { sharedPath } from '@fedcarbon/testing';
import type { BuildingAttributes, EnergyAttributes } from './building-record.ts';
import { allBinLabels, binLabels, binsPerFeature, encode, encodeRecords } from './encoding.ts';
import { readEcebd } from './read-ecebd.ts';
import { readUciEnergy } from './read-uci-energy.ts';
import { ECEBD_SCHEMA, UCI_ENERGY_SCHEMA } from './schemas.ts';
import { simulateEnergy } from './simulate-energy.ts';
import { simulateStock } from './simulate-stock.ts';

const house: BuildingAttributes = {
  country: 'FR',
  useType: 'residential',
  useSubtype: 'row-house',
  structureType: 'frame-wood',
  mainMaterial: 'concrete-without-reinforcement',
  gfaM2: 120,
  userCount: 4,
};
const codesOf = (change: Partial<BuildingAttributes>) => [
  ...encode({ attributes: { ...house, ...change } }, ECEBD_SCHEMA),
];

describe('encode', () => {
  it('gives each feature its bin', () => {
    expect(codesOf({})).toEqual([6, 3, 7, 1, 2, 3]);
  });

  it('has a bin for what is missing and a bin for what is not in the codebook', () => {
    const nothing = Object.fromEntries(Object.keys(house).map((name) => [name, null])) as Partial<BuildingAttributes>;
    expect(codesOf(nothing)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(
      codesOf({ country: 'SE', useSubtype: 'igloo', structureType: 'ice', mainMaterial: 'ice' }).slice(0, 4),
    ).toEqual([8, 7, 8, 7]);
  });

  // searchsorted(edges, log10(1 + x)) from the left: a value on an edge belongs below it.
  it.each([
    [98, 1],
    [99, 1],
    [99.001, 2],
    [999, 4],
    [999.001, 5],
    [1e9, 6],
    [1e-9, 1],
  ])('puts a floor area of %d m2 into bin %i', (gfaM2, bin) => {
    expect(codesOf({ gfaM2 })[4]).toBe(bin);
  });

  it.each([0, -1, NaN, Infinity])('refuses a floor area of %d', (gfaM2) => {
    expect(() => codesOf({ gfaM2 })).toThrow('gfaM2 is');
  });

  it('refuses attributes of another data set and levels that the design does not have', () => {
    const [shape] = simulateEnergy({ seed: 1 });
    const attributes = shape?.attributes as EnergyAttributes;
    expect(() => encode({ attributes }, ECEBD_SCHEMA)).toThrow('country is absent');
    expect(() => encode({ attributes: { ...attributes, orientation: 6 } }, UCI_ENERGY_SCHEMA)).toThrow(
      'orientation is 6; expected one of 2, 3, 4, 5',
    );
  });

  it('stays inside the bins whatever the record', () => {
    const text = fc.option(fc.string(), { nil: null });
    const quantity = fc.option(fc.double({ min: 0, minExcluded: true, noNaN: true, max: 1e300 }), { nil: null });
    const anything = fc.record({
      country: text,
      useType: text,
      useSubtype: text,
      structureType: text,
      mainMaterial: text,
      gfaM2: quantity,
      userCount: quantity,
    });
    fc.assert(
      fc.property(anything, (attributes) => {
        const bins = binsPerFeature(ECEBD_SCHEMA);
        expect([...encode({ attributes }, ECEBD_SCHEMA)].every((code, a) => code < (bins[a] ?? 0))).toBe(true);
      }),
    );
  });
});

describe('bins', () => {
  it('are 48 for embodied carbon and 51 for UCI Energy', () => {
    expect(binsPerFeature(ECEBD_SCHEMA)).toEqual([9, 8, 9, 8, 7, 7]);
    expect(allBinLabels(ECEBD_SCHEMA)).toHaveLength(48);
    expect(binsPerFeature(UCI_ENERGY_SCHEMA)).toEqual([12, 12, 7, 4, 2, 4, 4, 6]);
    expect(allBinLabels(UCI_ENERGY_SCHEMA)).toHaveLength(51);
  });

  it('have distinct names', () => {
    for (const schema of [ECEBD_SCHEMA, UCI_ENERGY_SCHEMA]) {
      const labels = allBinLabels(schema);
      expect(new Set(labels).size).toBe(binsPerFeature(schema).reduce((sum, bins) => sum + bins, 0));
    }
    expect(binLabels(ECEBD_SCHEMA.features[4]!)).toEqual([
      'missing',
      'up to 99',
      '99 to 140',
      '140 to 315',
      '315 to 999',
      '999 to 3160',
      'over 3160',
    ]);
  });
});

describe('encodeRecords', () => {
  it('is encode and the outcome, row by row', () => {
    const records = simulateStock({ records: 20, seed: 3 });
    const { n, d, codes, targets } = encodeRecords(records, ECEBD_SCHEMA, 'embodiedCarbonKgCo2ePerM2PerYear');
    expect([n, d]).toEqual([20, 6]);
    records.forEach((record, i) => {
      expect(codes.slice(i * d, (i + 1) * d)).toEqual(encode(record, ECEBD_SCHEMA));
      expect(targets[i]).toBe(record.outcomes.embodiedCarbonKgCo2ePerM2PerYear);
    });
    expect(() => encodeRecords(records, ECEBD_SCHEMA, 'heatingLoadKwhPerM2')).toThrow('has no outcome');
  });
});

// The reference (prototypes/int_gam.py) numbers the values that occur; the schema fixes them beforehand. The partitions of the records must be the same.
const path = {
  ecebd: sharedPath('data/ecebd/EU-ECB_dataset_feature_engineered.csv'),
  energy: sharedPath('data/uci-energy/ENB2012_data.csv'),
};
const rowsOf = (text: string) =>
  Papa.parse<Record<string, string>>(text.replace(/^\uFEFF/, '').replaceAll(',,\r\n', '\r\n'), {
    header: true,
    skipEmptyLines: true,
  }).data;

/** Whether two lists label their positions alike up to names. */
function samePartition(a: readonly unknown[], b: readonly unknown[]): boolean {
  const pairs = new Set(a.map((value, i) => JSON.stringify([value, b[i]])));
  return a.length === b.length && pairs.size === new Set(a).size && pairs.size === new Set(b).size;
}

(path.ecebd ? describe : describe.skip)('bins of EU-ECB-DB against the reference (needs shared/data)', () => {
  const text = path.ecebd === undefined ? 'x' : readFileSync(path.ecebd, 'utf8');
  const raw = rowsOf(text).filter(
    (row) => row['bldg_use_type'] === 'Residential' && Number(row['GHG_sum_em_m2a_harm']) > 0.1,
  );

  it.each(ECEBD_SCHEMA.features.map(({ name }, a) => [name, a] as const))('%s', (_, a) => {
    const feature = ECEBD_SCHEMA.features[a]!;
    const codes = readEcebd(text).records.map((record) => encode(record, ECEBD_SCHEMA)[a]);
    const reference = raw.map((row) => {
      const cell = row[feature.column] ?? '';
      const missing = ['', 'n/a', 'No data', 'no data'].includes(cell);
      if (feature.kind !== 'log10') return missing ? 'No data' : cell;
      if (missing) return 0;
      let position = 0;
      while (position < feature.edges.length && feature.edges[position]! < Math.log10(1 + Number(cell))) position++;
      return 1 + position;
    });
    expect(codes).toHaveLength(644);
    expect(samePartition(codes, reference)).toBe(true);
    if (feature.kind === 'log10') expect(codes).toEqual(reference);
  });
});

(path.energy ? describe : describe.skip)('bins of UCI Energy against the reference (needs shared/data)', () => {
  it('are the sorted values that occur', () => {
    const text = path.energy === undefined ? 'x' : readFileSync(path.energy, 'utf8');
    const raw = rowsOf(text);
    const codes = readUciEnergy(text).records.map((record) => encode(record, UCI_ENERGY_SCHEMA));
    UCI_ENERGY_SCHEMA.features.forEach(({ column }, a) => {
      const values = raw.map((row) => Number(row[column]));
      const sorted = [...new Set(values)].sort((x, y) => x - y);
      expect(codes.map((code) => code[a])).toEqual(values.map((value) => sorted.indexOf(value)));
    });
  });
});
