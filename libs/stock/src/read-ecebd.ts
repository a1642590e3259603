import type { AssessmentScope, EmbodiedCarbonRecord, LifeCycleModule, ModuleDTreatment } from './building-record.ts';
import { LIFE_CYCLE_MODULES } from './building-record.ts';
import { PLAUSIBLE_EMBODIED_CARBON, readRows } from './reading.ts';
import type { Row, StockReading } from './reading.ts';

const OUTCOME = 'GHG_sum_em_m2a_harm';

const COLUMNS = {
  project: 'admin_project_code',
  partner: 'admin_data_partner',
  country: 'site_country_code',
  useType: 'bldg_use_type',
  useSubtype: 'bldg_use_subtype',
  structure: 'bldg_struct_type',
  material: 'inv_mat_1_type',
  gfa: 'bldg_area_gfa',
  users: 'bldg_users_total',
  areaDefinition: 'bldg_area_definition',
  studyPeriod: 'lca_RSP',
  moduleD: 'scope_handling_D',
} as const;

const scopeColumn = (module: LifeCycleModule) => `scope_LCS_${module === 'A1-A3' ? 'A123' : module}`;

// The publisher's spelling of "subtracted" is its own.
const MODULE_D: Readonly<Record<string, ModuleDTreatment>> = {
  'separately-considered': 'separate',
  'not-in-scope': 'not-in-scope',
  substracted: 'subtracted',
};

// Two of the file's codes are not ISO 3166-1: "UK", and "EU" for records of no single country.
const COUNTRY: Readonly<Record<string, string | null>> = { UK: 'GB', EU: null };

/** Which uses become records. */
export interface UseFilter {
  /** Default `residential`; other uses are counted as `non_residential`. */
  readonly useType?: 'residential' | 'any';
}

/**
 * Reads EU-ECB-DB, `EU-ECB_dataset_feature_engineered.csv` (Röck and Sørensen 2022, doi 10.5281/zenodo.6671558). The outcome is the harmonised embodied sum in
 * kgCO2e/m2/year. Throws InvalidInputError when the text is not that file.
 *
 * The file has project codes and no building ids, and a few projects hold several buildings of different size. A building is therefore the pair
 * (project code, floor area); only that pair twice within a data partner is a duplicate.
 */
export function readEcebd(text: string, options: UseFilter = {}): StockReading<EmbodiedCarbonRecord> {
  const needed = [...Object.values(COLUMNS), ...LIFE_CYCLE_MODULES.map(scopeColumn), OUTCOME];
  return readRows(text, needed, (row) => {
    const useType = row.term(COLUMNS.useType);
    if (useType !== 'residential' && options.useType !== 'any') row.reject('non_residential');
    const embodiedCarbonKgCo2ePerM2PerYear = row.outcome(OUTCOME, PLAUSIBLE_EMBODIED_CARBON);
    const project = row.text(COLUMNS.project) ?? row.reject('missing_id');
    const gfaM2 = row.positive(COLUMNS.gfa);
    return {
      dataset: 'ecebd',
      id: gfaM2 === null ? project : `${project}/${gfaM2}m2`,
      dataPartner: row.text(COLUMNS.partner),
      attributes: {
        country: countryCode(row.text(COLUMNS.country)),
        useType,
        useSubtype: row.term(COLUMNS.useSubtype),
        structureType: row.term(COLUMNS.structure),
        mainMaterial: row.term(COLUMNS.material),
        gfaM2,
        userCount: row.positive(COLUMNS.users),
      },
      outcomes: { embodiedCarbonKgCo2ePerM2PerYear },
      scope: scopeOf(row),
      simulated: false,
    };
  });
}

function countryCode(code: string | null): string | null {
  return code === null ? null : code in COUNTRY ? (COUNTRY[code] ?? null) : code;
}

function scopeOf(row: Row): AssessmentScope {
  const answers = LIFE_CYCLE_MODULES.map((module) => row.term(scopeColumn(module)));
  return {
    lifeCycleModules: answers.every((answer) => answer === null)
      ? null
      : LIFE_CYCLE_MODULES.filter((_, i) => answers[i] === 'yes'),
    moduleD: MODULE_D[row.term(COLUMNS.moduleD) ?? ''] ?? null,
    referenceStudyPeriodYears: row.positive(COLUMNS.studyPeriod),
    areaDefinition: row.text(COLUMNS.areaDefinition),
    harmonised: true,
  };
}
