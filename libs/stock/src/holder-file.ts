import { InvalidInputError } from '@fedcarbon/kernel';
import { LIFE_CYCLE_MODULES, MODULE_D_TREATMENTS } from './building-record.ts';
import type { BuildingRecord, DatasetName, EmbodiedCarbonRecord, EnergyRecord } from './building-record.ts';
import { formatCsv } from './csv.ts';
import type { FeatureSchema } from './feature-schema.ts';
import { energyAttributes } from './read-uci-energy.ts';
import type { UseFilter } from './read-ecebd.ts';
import { PLAUSIBLE_EMBODIED_CARBON, PLAUSIBLE_LOAD, readRows } from './reading.ts';
import type { Row, StockReading } from './reading.ts';

/** Columns of a holder file: how a record's field is written. Reading is done by the builders below. */
type Columns<R> = Readonly<Record<string, (record: R) => string | number | boolean | null>>;

const FLAGS = ['true', 'false'] as const;

// Order is the order in the file. Required cells are marked; all others may be empty.
const ECEBD_COLUMNS = {
  building_id: (r) => r.id, // required; unique within the data partner
  data_partner: (r) => r.dataPartner,
  country: (r) => r.attributes.country, // ISO 3166-1 alpha-2
  use_type: (r) => r.attributes.useType, // required: residential, or a row is rejected unless other uses are asked for
  use_subtype: (r) => r.attributes.useSubtype, // this and the next two: a term of the schema's codebook, else it counts as "other"
  structure_type: (r) => r.attributes.structureType,
  main_material: (r) => r.attributes.mainMaterial, // largest mass in the inventory
  gfa_m2: (r) => r.attributes.gfaM2, // gross floor area, above 0
  user_count: (r) => r.attributes.userCount, // above 0, may be a fraction
  embodied_carbon_kgco2e_per_m2_per_year: (r) => r.outcomes.embodiedCarbonKgCo2ePerM2PerYear, // required, 1 to 100
  life_cycle_modules: (r) => r.scope.lifeCycleModules?.join(' ') ?? null, // e.g. "A1-A3 A4 B4 C3 C4"
  module_d: (r) => r.scope.moduleD, // separate, not-in-scope or subtracted
  reference_study_period_years: (r) => r.scope.referenceStudyPeriodYears,
  area_definition: (r) => r.scope.areaDefinition,
  harmonised: (r) => r.scope.harmonised, // true or false; empty is false
  simulated: (r) => r.simulated, // true or false; empty is false
} satisfies Columns<EmbodiedCarbonRecord>;

const ENERGY_COLUMNS = {
  building_id: (r) => r.id,
  data_partner: (r) => r.dataPartner,
  relative_compactness: (r) => r.attributes.relativeCompactness,
  surface_area_m2: (r) => r.attributes.surfaceAreaM2,
  wall_area_m2: (r) => r.attributes.wallAreaM2,
  roof_area_m2: (r) => r.attributes.roofAreaM2,
  overall_height_m: (r) => r.attributes.overallHeightM,
  orientation: (r) => r.attributes.orientation,
  glazing_area_ratio: (r) => r.attributes.glazingAreaRatio,
  glazing_distribution: (r) => r.attributes.glazingDistribution,
  heating_load_kwh_per_m2: (r) => r.outcomes.heatingLoadKwhPerM2,
  cooling_load_kwh_per_m2: (r) => r.outcomes.coolingLoadKwhPerM2,
  simulated: (r) => r.simulated,
} satisfies Columns<EnergyRecord>;

const ENERGY_ATTRIBUTE_COLUMNS = {
  relativeCompactness: 'relative_compactness',
  surfaceAreaM2: 'surface_area_m2',
  wallAreaM2: 'wall_area_m2',
  roofAreaM2: 'roof_area_m2',
  overallHeightM: 'overall_height_m',
  orientation: 'orientation',
  glazingAreaRatio: 'glazing_area_ratio',
  glazingDistribution: 'glazing_distribution',
} as const;

/** Header of the holder file of a data set, in order. Every column must exist; an empty cell, "n/a" and "no data" mean missing. */
export const HOLDER_FILE_COLUMNS: Readonly<Record<DatasetName, readonly string[]>> = {
  ecebd: Object.keys(ECEBD_COLUMNS),
  'uci-energy': Object.keys(ENERGY_COLUMNS),
};

/** Options of `readHolderFile`. */
export interface HolderFileOptions extends UseFilter {
  /** The holder's own name of a column, by our name, where they differ, e.g. `{ gfa_m2: 'Bruttogeschossfläche' }`. */
  readonly columnNames?: Readonly<Record<string, string>>;
}

/**
 * Writes the file that a holder's trainer reads: one CSV with the header `HOLDER_FILE_COLUMNS[dataset]`, `.` as decimal sign, terms and ISO country codes,
 * life-cycle modules separated by a space. There is no train/test column: which file it is decides.
 * Throws InvalidInputError when a record is of another data set.
 */
export function writeHolderFile(dataset: DatasetName, records: readonly BuildingRecord[]): string {
  const rows = records.map((record) => {
    if (record.dataset !== dataset)
      throw new InvalidInputError(`a record of ${record.dataset} in a file of ${dataset}`);
    return record.dataset === 'ecebd' ? cells(ECEBD_COLUMNS, record) : cells(ENERGY_COLUMNS, record);
  });
  return formatCsv(HOLDER_FILE_COLUMNS[dataset], rows);
}

function cells<R>(columns: Columns<R>, record: R): string[] {
  return Object.values(columns).map((write) => String(write(record) ?? ''));
}

/**
 * Reads a holder file of the schema's data set. Rows that cannot be used are counted by reason; other columns than ours are ignored.
 * Throws InvalidInputError for text that is not CSV, for a missing column and for a mapping of a column that does not exist.
 */
export function readHolderFile(text: string, schema: FeatureSchema, options: HolderFileOptions = {}): StockReading {
  const columns = HOLDER_FILE_COLUMNS[schema.dataset];
  const columnNames = options.columnNames ?? {};
  const unknown = Object.keys(columnNames).filter((name) => !columns.includes(name));
  if (unknown.length > 0) {
    throw new InvalidInputError(`the mapping names ${unknown.join(', ')}; the columns are ${columns.join(', ')}`);
  }
  const name = (column: string) => columnNames[column] ?? column;
  return schema.dataset === 'ecebd'
    ? readRows(text, columns.map(name), (row) => embodiedCarbonRecord(row, name, options.useType))
    : readRows(text, columns.map(name), (row) => energyRecord(row, name));
}

type NameOf<Name extends string> = (column: Name) => string;

function embodiedCarbonRecord(
  row: Row,
  name: NameOf<keyof typeof ECEBD_COLUMNS>,
  useFilter: UseFilter['useType'],
): EmbodiedCarbonRecord {
  const useType = row.term(name('use_type'));
  if (useType !== 'residential' && useFilter !== 'any') row.reject('non_residential');
  return {
    dataset: 'ecebd',
    id: row.text(name('building_id')) ?? row.reject('missing_id'),
    dataPartner: row.text(name('data_partner')),
    attributes: {
      country: row.text(name('country'))?.toUpperCase() ?? null,
      useType,
      useSubtype: row.term(name('use_subtype')),
      structureType: row.term(name('structure_type')),
      mainMaterial: row.term(name('main_material')),
      gfaM2: row.positive(name('gfa_m2')),
      userCount: row.positive(name('user_count')),
    },
    outcomes: {
      embodiedCarbonKgCo2ePerM2PerYear: row.outcome(
        name('embodied_carbon_kgco2e_per_m2_per_year'),
        PLAUSIBLE_EMBODIED_CARBON,
      ),
    },
    scope: {
      lifeCycleModules: lifeCycleModules(row, name('life_cycle_modules')),
      moduleD: row.oneOf(name('module_d'), MODULE_D_TREATMENTS),
      referenceStudyPeriodYears: row.positive(name('reference_study_period_years')),
      areaDefinition: row.text(name('area_definition')),
      harmonised: row.oneOf(name('harmonised'), FLAGS) === 'true',
    },
    simulated: row.oneOf(name('simulated'), FLAGS) === 'true',
  };
}

function lifeCycleModules(row: Row, column: string) {
  const named = row.text(column)?.split(/\s+/);
  if (named === undefined) return null;
  const modules = LIFE_CYCLE_MODULES.filter((module) => named.includes(module));
  return modules.length === named.length ? modules : row.reject('invalid_scope');
}

function energyRecord(row: Row, name: NameOf<keyof typeof ENERGY_COLUMNS>): EnergyRecord {
  return {
    dataset: 'uci-energy',
    id: row.text(name('building_id')) ?? row.reject('missing_id'),
    dataPartner: row.text(name('data_partner')),
    attributes: energyAttributes(row, (attribute) => name(ENERGY_ATTRIBUTE_COLUMNS[attribute])),
    outcomes: {
      heatingLoadKwhPerM2: row.outcome(name('heating_load_kwh_per_m2'), PLAUSIBLE_LOAD),
      coolingLoadKwhPerM2: row.outcome(name('cooling_load_kwh_per_m2'), PLAUSIBLE_LOAD),
    },
    scope: null,
    simulated: row.oneOf(name('simulated'), FLAGS) === 'true',
  };
}
