import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { sharedPath } from '@fedcarbon/testing';
import { LIFE_CYCLE_MODULES } from './building-record.ts';
import { formatCsv } from './csv.ts';
import { readEcebd } from './read-ecebd.ts';
import { readUciEnergy } from './read-uci-energy.ts';

const building: Record<string, string> = {
  admin_project_code: 'Hof 7',
  admin_data_partner: 'Partner A',
  site_country_code: 'NL',
  bldg_use_type: 'Residential',
  bldg_use_subtype: 'Row house',
  bldg_struct_type: 'massive brick',
  inv_mat_1_type: 'Ceramics (e.g., fired clay bricks)',
  bldg_area_gfa: '124.5',
  bldg_users_total: '3',
  bldg_area_definition: 'Other',
  lca_RSP: '75',
  scope_handling_D: 'substracted (credit)',
  GHG_sum_em_m2a_harm: '8.25',
  ...Object.fromEntries(
    LIFE_CYCLE_MODULES.map((module) => [
      `scope_LCS_${module === 'A1-A3' ? 'A123' : module}`,
      module < 'B' ? 'Yes' : 'No',
    ]),
  ),
};
const shape = {
  X1: '0.98',
  X2: '514.50',
  X3: '294.00',
  X4: '110.25',
  X5: '7.00',
  X6: '2',
  X7: '0.00',
  X8: '0',
  Y1: '15.5',
  Y2: '21.3',
};

/** A file with one row per change to `row`. */
function file(row: Record<string, string>, ...changes: Partial<Record<string, string>>[]): string {
  return formatCsv(
    Object.keys(row),
    changes.map((change) => Object.entries(row).map(([name, cell]) => change[name] ?? cell)),
  );
}

describe('readEcebd', () => {
  it('reads a building with its scope', () => {
    const { records, rejected, rows } = readEcebd(file(building, {}));
    expect({ rejected, rows }).toEqual({ rejected: {}, rows: 1 });
    expect(records).toEqual([
      {
        dataset: 'ecebd',
        id: 'Hof 7/124.5m2',
        dataPartner: 'Partner A',
        attributes: {
          country: 'NL',
          useType: 'residential',
          useSubtype: 'row-house',
          structureType: 'massive-brick',
          mainMaterial: 'ceramics',
          gfaM2: 124.5,
          userCount: 3,
        },
        outcomes: { embodiedCarbonKgCo2ePerM2PerYear: 8.25 },
        scope: {
          lifeCycleModules: ['A1-A3', 'A4', 'A5'],
          moduleD: 'subtracted',
          referenceStudyPeriodYears: 75,
          areaDefinition: 'Other',
          harmonised: true,
        },
        simulated: false,
      },
    ]);
  });

  it.each(['', 'n/a', 'no data', 'No data', ' '])('takes %j as missing, not as a value', (missing) => {
    const kept = ['admin_project_code', 'bldg_use_type', 'GHG_sum_em_m2a_harm'];
    const change = Object.fromEntries(
      Object.keys(building)
        .filter((name) => !kept.includes(name))
        .map((name) => [name, missing]),
    );
    const [record] = readEcebd(file(building, change)).records;
    expect(record?.id).toBe('Hof 7');
    expect(record?.dataPartner).toBeNull();
    expect(Object.entries(record?.attributes ?? {}).filter(([, value]) => value !== null)).toEqual([
      ['useType', 'residential'],
    ]);
    expect(record?.scope).toEqual({
      lifeCycleModules: null,
      moduleD: null,
      referenceStudyPeriodYears: null,
      areaDefinition: null,
      harmonised: true,
    });
  });

  it.each([
    ['non_residential', { bldg_use_type: 'Non-residential' }],
    ['missing_outcome', { GHG_sum_em_m2a_harm: 'n/a' }],
    ['implausible_outcome', { GHG_sum_em_m2a_harm: '0.0045' }],
    ['implausible_outcome', { GHG_sum_em_m2a_harm: '587' }],
    ['missing_id', { admin_project_code: '' }],
    ['invalid_number', { GHG_sum_em_m2a_harm: '8,25' }],
    ['invalid_number', { bldg_area_gfa: 'large' }],
    ['invalid_number', { bldg_area_gfa: '-124' }],
    ['invalid_number', { bldg_users_total: '0x10' }],
    ['invalid_number', { bldg_area_gfa: '1e999' }],
  ])('rejects a row as %s: %j', (reason, change) => {
    const { records, rejected, rows } = readEcebd(file(building, change, { admin_project_code: 'Hof 8' }));
    expect({ ids: records.map(({ id }) => id), rejected, rows }).toEqual({
      ids: ['Hof 8/124.5m2'],
      rejected: { [reason]: 1 },
      rows: 2,
    });
  });

  it('rejects a row of another length', () => {
    expect(readEcebd(`${file(building, {})}1,2\n`).rejected).toEqual({ malformed_row: 1 });
  });

  it('rejects a building that a partner reports twice, and keeps another partner, another size and the first report', () => {
    const text = file(
      building,
      {},
      { GHG_sum_em_m2a_harm: '9' },
      { admin_data_partner: 'Partner B' },
      { bldg_area_gfa: '300' },
    );
    const { records, rejected } = readEcebd(text);
    expect(rejected).toEqual({ duplicate_id: 1 });
    expect(records.map(({ outcomes }) => outcomes.embodiedCarbonKgCo2ePerM2PerYear)).toEqual([8.25, 8.25, 8.25]);
  });

  it('keeps other uses on request, and maps the two codes that are not ISO 3166-1', () => {
    const text = file(
      building,
      { bldg_use_type: 'Non-residential', site_country_code: 'UK' },
      { site_country_code: 'EU', admin_project_code: 'x' },
    );
    const { records } = readEcebd(text, { useType: 'any' });
    expect(records.map(({ attributes }) => [attributes.useType, attributes.country])).toEqual([
      ['non-residential', 'GB'],
      ['residential', null],
    ]);
  });

  it('refuses a file that lacks a column or has it twice, naming it', () => {
    const text = file(building, {});
    expect(() => readEcebd(text.replace('bldg_area_gfa', 'area'))).toThrow('lacks the column(s) bldg_area_gfa');
    expect(() => readEcebd(text.replace('bldg_users_total', 'bldg_area_gfa'))).toThrow(
      'lacks the column(s) bldg_users_total',
    );
    expect(() => readEcebd(text.replace('lca_RSP', 'lca_RSP,lca_RSP'))).toThrow('lca_RSP twice');
  });
});

describe('readUciEnergy', () => {
  it('reads a shape, also with a byte-order mark and trailing columns without a name', () => {
    const text = `\uFEFF${file(shape, {})}`.replaceAll('\n', ',,\r\n');
    const { records, rejected } = readUciEnergy(text);
    expect(rejected).toEqual({});
    expect(records[0]?.attributes.surfaceAreaM2).toBe(514.5);
    expect(records[0]?.outcomes).toEqual({ heatingLoadKwhPerM2: 15.5, coolingLoadKwhPerM2: 21.3 });
  });

  it.each([
    ['unknown_level', { X6: '1' }],
    ['unknown_level', { X1: '0.981' }],
    ['missing_attribute', { X3: '' }],
    ['invalid_number', { X8: 'uniform' }],
    ['missing_outcome', { Y1: '' }],
    ['implausible_outcome', { Y2: '-3' }],
  ])('rejects a row as %s: %j', (reason, change) => {
    expect(readUciEnergy(file(shape, change)).rejected).toEqual({ [reason]: 1 });
  });
});

const ecebd = sharedPath('data/ecebd/EU-ECB_dataset_feature_engineered.csv');
const energy = sharedPath('data/uci-energy/ENB2012_data.csv');

(ecebd ? describe : describe.skip)('the published EU-ECB-DB (needs shared/data)', () => {
  it('holds 644 usable residential buildings in 7 countries, and accounts for every other row', () => {
    const { records, rejected, rows } = readEcebd(readFileSync(ecebd ?? '', 'utf8'));
    expect({ rows, rejected }).toEqual({
      rows: 854,
      rejected: { non_residential: 181, missing_outcome: 28, implausible_outcome: 1 },
    });
    const perCountry = new Map<string | null, number>();
    for (const { attributes } of records)
      perCountry.set(attributes.country, (perCountry.get(attributes.country) ?? 0) + 1);
    expect(Object.fromEntries(perCountry)).toEqual({ FR: 434, BE: 105, DK: 38, NL: 29, FI: 28, DE: 7, AT: 3 });
    const outcomes = records.map((record) => record.outcomes.embodiedCarbonKgCo2ePerM2PerYear);
    expect(outcomes.reduce((a, b) => a + b, 0) / outcomes.length).toBeCloseTo(11.76, 3);
  });
});

(energy ? describe : describe.skip)('the published UCI Energy (needs shared/data)', () => {
  it('is a full factorial of 768 shapes, orientations and glazings', () => {
    const { records, rejected } = readUciEnergy(readFileSync(energy ?? '', 'utf8'));
    expect(rejected).toEqual({});
    expect(new Set(records.map(({ attributes }) => JSON.stringify(attributes))).size).toBe(768);
  });
});
