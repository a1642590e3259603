import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LIFE_CYCLE_MODULES, MODULE_D_TREATMENTS } from './building-record.ts';
import type { EmbodiedCarbonRecord } from './building-record.ts';
import { HOLDER_FILE_COLUMNS, readHolderFile, writeHolderFile } from './holder-file.ts';
import { ECEBD_SCHEMA, UCI_ENERGY_SCHEMA } from './schemas.ts';
import { simulateEnergy } from './simulate-energy.ts';
import { simulateStock } from './simulate-stock.ts';
import { termOf, textOf } from './term.ts';

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const raw = fc.string({ unit: fc.constantFrom('a', 'B', 'ü', '7', ' ', ',', '"', '\n', '-', '/'), maxLength: 8 });
const text = raw.filter((value) => textOf(value) === value);
const term = raw.map(termOf);
const positive = fc.double({ min: 0, minExcluded: true, noNaN: true, noDefaultInfinity: true });

const record: fc.Arbitrary<EmbodiedCarbonRecord> = fc.record({
  dataset: fc.constant('ecebd' as const),
  id: text,
  dataPartner: maybe(text),
  attributes: fc.record({
    country: maybe(fc.constantFrom('FR', 'DK', 'SE')),
    useType: fc.constant('residential'),
    useSubtype: term,
    structureType: term,
    mainMaterial: term,
    gfaM2: maybe(positive),
    userCount: maybe(positive),
  }),
  outcomes: fc.record({ embodiedCarbonKgCo2ePerM2PerYear: fc.double({ min: 1, max: 100, noNaN: true }) }),
  scope: fc.record({
    lifeCycleModules: maybe(fc.subarray([...LIFE_CYCLE_MODULES], { minLength: 1 })),
    moduleD: maybe(fc.constantFrom(...MODULE_D_TREATMENTS)),
    referenceStudyPeriodYears: maybe(positive),
    areaDefinition: maybe(text),
    harmonised: fc.boolean(),
  }),
  simulated: fc.boolean(),
});

describe('a holder file', () => {
  it('reads back exactly what was written', () => {
    const stock = fc.uniqueArray(record, {
      maxLength: 5,
      selector: ({ dataPartner, id }) => JSON.stringify([dataPartner, id]),
    });
    fc.assert(
      fc.property(stock, (records) => {
        expect(readHolderFile(writeHolderFile('ecebd', records), ECEBD_SCHEMA)).toEqual({
          records,
          rejected: {},
          rows: records.length,
        });
      }),
    );
  });

  it('reads back simulated records of both data sets', () => {
    const houses = simulateStock({ records: 30, seed: 5 });
    const shapes = simulateEnergy({ seed: 5 });
    expect(readHolderFile(writeHolderFile('ecebd', houses), ECEBD_SCHEMA).records).toEqual(houses);
    expect(readHolderFile(writeHolderFile('uci-energy', shapes), UCI_ENERGY_SCHEMA).records).toEqual(shapes);
  });

  it('has no column that tells train from test', () => {
    expect(
      Object.values(HOLDER_FILE_COLUMNS)
        .flat()
        .filter((name) => /train|test|split/.test(name)),
    ).toEqual([]);
  });

  const own = (change: Record<string, string>) => {
    const cells: Record<string, string> = {
      building_id: 'B-1',
      use_type: 'Residential',
      embodied_carbon_kgco2e_per_m2_per_year: '9.5',
      ...change,
    };
    const columns = HOLDER_FILE_COLUMNS.ecebd;
    return `${columns.join(',')}\n${columns.map((name) => cells[name] ?? '').join(',')}\n`;
  };

  it('may leave everything empty but id, use and outcome', () => {
    const [record] = readHolderFile(own({}), ECEBD_SCHEMA).records;
    expect(record?.attributes).toMatchObject({ country: null, gfaM2: null });
    expect(record?.simulated).toBe(false);
  });

  it('takes categories as people write them', () => {
    const [record] = readHolderFile(
      own({ country: 'fr', structure_type: 'Frame  concrete/wood' }),
      ECEBD_SCHEMA,
    ).records;
    expect(record?.attributes).toMatchObject({ country: 'FR', structureType: 'frame-concrete-wood' });
  });

  it.each([
    ['missing_id', { building_id: '' }],
    ['non_residential', { use_type: 'office' }],
    ['missing_outcome', { embodied_carbon_kgco2e_per_m2_per_year: '' }],
    ['implausible_outcome', { embodied_carbon_kgco2e_per_m2_per_year: '587' }],
    ['invalid_number', { gfa_m2: '120 m2' }],
    ['invalid_scope', { life_cycle_modules: 'A1-A3 A9' }],
    ['invalid_scope', { module_d: 'perhaps' }],
    ['invalid_scope', { simulated: 'yes' }],
  ])('rejects a row as %s: %j', (reason, change) => {
    expect(readHolderFile(own(change), ECEBD_SCHEMA).rejected).toEqual({ [reason]: 1 });
  });

  it('rejects a building id that occurs twice', () => {
    const text = own({});
    expect(readHolderFile(text + (text.split('\n')[1] ?? ''), ECEBD_SCHEMA).rejected).toEqual({ duplicate_id: 1 });
  });

  it("takes the holder's own column names and ignores its other columns", () => {
    const text = own({ gfa_m2: '88' })
      .replace('gfa_m2', 'Fläche')
      .split('\n')
      .map((line) => (line === '' ? '' : `secret,${line}`))
      .join('\n');
    const { records } = readHolderFile(text, ECEBD_SCHEMA, { columnNames: { gfa_m2: 'Fläche' } });
    expect(records[0]?.attributes).toMatchObject({ gfaM2: 88 });
    expect(() => readHolderFile(text, ECEBD_SCHEMA)).toThrow('lacks the column(s) gfa_m2');
    expect(() => readHolderFile(text, ECEBD_SCHEMA, { columnNames: { area: 'Fläche' } })).toThrow(
      'the mapping names area',
    );
  });

  it('holds one data set only', () => {
    expect(() => writeHolderFile('ecebd', simulateEnergy({ seed: 1 }))).toThrow(
      'a record of uci-energy in a file of ecebd',
    );
  });
});
