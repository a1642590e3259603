import { InvalidInputError } from '@fedcarbon/kernel';

/** The data sets this system knows. Each has its own attributes, outcomes and public bins. */
export type DatasetName = 'ecebd' | 'uci-energy';

/** What an attribute can hold. `null` means: the holder does not know it. It is never zero and never a default. */
export type AttributeValue = string | number | null;

/** Life-cycle modules of EN 15978. A1 to A3 (product stage) are always reported together; D lies beyond the system boundary. */
export const LIFE_CYCLE_MODULES = [
  ...(['A1-A3', 'A4', 'A5'] as const),
  ...(['B1', 'B2', 'B3', 'B4', 'B5', 'B6', 'B7', 'B8'] as const),
  ...(['C1', 'C2', 'C3', 'C4', 'D'] as const),
] as const;
export type LifeCycleModule = (typeof LIFE_CYCLE_MODULES)[number];

/** What was done with module D: reported apart, left out, or subtracted from the sum as a credit. */
export const MODULE_D_TREATMENTS = ['separate', 'not-in-scope', 'subtracted'] as const;
export type ModuleDTreatment = (typeof MODULE_D_TREATMENTS)[number];

/** What an embodied-carbon figure covers. Figures of different scope must not be mixed silently, so it travels with the record. */
export interface AssessmentScope {
  /** Modules that the assessment covered; null when the source does not say. */
  readonly lifeCycleModules: readonly LifeCycleModule[] | null;
  readonly moduleD: ModuleDTreatment | null;
  readonly referenceStudyPeriodYears: number | null;
  /** Name of the floor-area definition behind "per m2", e.g. "Denmark (BR18)". */
  readonly areaDefinition: string | null;
  /** Whether the publisher brought the outcome to a common scope and a per-year basis. */
  readonly harmonised: boolean;
}

/** Attributes of a building whose embodied carbon was assessed. Texts are terms (see `termOf`), the country is ISO 3166-1 alpha-2. */
export type BuildingAttributes = {
  readonly country: string | null;
  readonly useType: string | null;
  readonly useSubtype: string | null;
  readonly structureType: string | null;
  /** Term of the material with the largest mass in the inventory. */
  readonly mainMaterial: string | null;
  /** Gross floor area, m2, by the record's area definition. */
  readonly gfaM2: number | null;
  readonly userCount: number | null;
};

/** Attributes of a UCI Energy building shape, X1 to X8 (Tsanas and Xifara 2012, table 1). */
export type EnergyAttributes = {
  readonly relativeCompactness: number;
  readonly surfaceAreaM2: number;
  readonly wallAreaM2: number;
  readonly roofAreaM2: number;
  readonly overallHeightM: number;
  /** 2 north, 3 east, 4 south, 5 west. */
  readonly orientation: number;
  /** Glazing area over floor area. */
  readonly glazingAreaRatio: number;
  /** 0 no glazing, 1 uniform, 2 north, 3 east, 4 south, 5 west. */
  readonly glazingDistribution: number;
};

interface RecordCore<Dataset extends DatasetName, Attributes, Outcomes> {
  readonly dataset: Dataset;
  /** Unique within a data partner. */
  readonly id: string;
  /** Who measured or reported it; null where the data set names nobody. */
  readonly dataPartner: string | null;
  /** The only part of a record that features are read from. */
  readonly attributes: Attributes;
  /** What is predicted. Never a source of features. */
  readonly outcomes: Outcomes;
  /** True for a drawn record, which every output that uses it must say. */
  readonly simulated: boolean;
}

/** A building with its embodied carbon in kgCO2e per m2 of floor area and year (x 50 is the usual figure over 50 years). */
export interface EmbodiedCarbonRecord extends RecordCore<
  'ecebd',
  BuildingAttributes,
  { readonly embodiedCarbonKgCo2ePerM2PerYear: number }
> {
  readonly scope: AssessmentScope;
}

/** A building shape with simulated heating and cooling loads in kWh per m2 (Y1 and Y2); life-cycle scope does not apply. */
export interface EnergyRecord extends RecordCore<
  'uci-energy',
  EnergyAttributes,
  { readonly heatingLoadKwhPerM2: number; readonly coolingLoadKwhPerM2: number }
> {
  readonly scope: null;
}

export type BuildingRecord = EmbodiedCarbonRecord | EnergyRecord;

/** Names of all outcomes, by data set. */
export const OUTCOMES = {
  ecebd: ['embodiedCarbonKgCo2ePerM2PerYear'],
  'uci-energy': ['heatingLoadKwhPerM2', 'coolingLoadKwhPerM2'],
} as const;
export type OutcomeName = (typeof OUTCOMES)[DatasetName][number];

/** Value of one outcome. Throws InvalidInputError when the record's data set does not carry it. */
export function outcomeOf(record: BuildingRecord, outcome: OutcomeName): number {
  const value = (record.outcomes as Partial<Record<OutcomeName, number>>)[outcome];
  if (value !== undefined) return value;
  const known = OUTCOMES[record.dataset].join(', ');
  throw new InvalidInputError(`a record of ${record.dataset} has no outcome "${outcome}"; it has ${known}`);
}

/** Country of a record, or null when it is unknown or the data set has none. */
export function countryOf(record: BuildingRecord): string | null {
  return record.dataset === 'ecebd' ? record.attributes.country : null;
}
