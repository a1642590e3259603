import { InvalidInputError } from '@fedcarbon/kernel';
import { LIFE_CYCLE_MODULES, OUTCOMES } from './building-record.ts';
import type { BuildingAttributes, DatasetName, EnergyAttributes } from './building-record.ts';

interface FeatureCore {
  /** Name of the attribute of the record that is binned. */
  readonly name: string;
  /** For people. */
  readonly label: string;
  /** Column of the published file that the attribute is read from. */
  readonly column: string;
}

/** A category: bin 0 "missing", one bin per term in the order given, then "other" for every term that is not in the list. */
export interface CodebookFeature extends FeatureCore {
  readonly kind: 'codebook';
  readonly terms: readonly string[];
}

/** A quantity x > 0: bin 0 "missing", then bin 1 + (number of edges strictly below log10(1 + x)). */
export interface Log10Feature extends FeatureCore {
  readonly kind: 'log10';
  /** Ascending, on the scale log10(1 + x). */
  readonly edges: readonly number[];
}

/** A designed factor: one bin per level, nothing else is valid, nothing may be missing. */
export interface LevelsFeature extends FeatureCore {
  readonly kind: 'levels';
  readonly levels: readonly number[];
}

export type Feature = CodebookFeature | Log10Feature | LevelsFeature;

/** A category in public groups of terms: bin 0 "missing", one bin per group, then "other" for every term that is in no group. */
export interface GroupsFeature extends FeatureCore {
  readonly kind: 'groups';
  readonly groups: readonly { readonly label: string; readonly terms: readonly string[] }[];
}

/**
 * Several attributes as one feature of the model, so that it knows their interactions: a bin for every combination of the factors' bins, the last factor
 * running fastest. However many factors, a record lies in one bin: to the sensitivity it counts as one feature.
 */
export interface CrossFeature {
  /** For the labels of its bins. */
  readonly name: string;
  readonly factors: readonly (Feature | GroupsFeature)[];
}

/**
 * Public bins. They are constants of a plan, never fitted to a holder's records, because fitting would be a release that nobody charged.
 * Plain data: it can be hashed into a plan as it is.
 */
export interface FeatureSchema {
  readonly version: 1 | 2;
  readonly dataset: DatasetName;
  /** Where the bins come from, also when that is not flattering. */
  readonly provenance: string;
  /** What the model is told about a building, attribute by attribute; its features too, unless `crosses` says otherwise. */
  readonly features: readonly Feature[];
  /** The features of the model, made of the attributes in `features`. */
  readonly crosses?: readonly CrossFeature[];
}

const BUILDING_ATTRIBUTES = [
  ...(['country', 'useType', 'useSubtype', 'structureType'] as const),
  ...(['mainMaterial', 'gfaM2', 'userCount'] as const),
] as const satisfies readonly (keyof BuildingAttributes)[];
const ENERGY_ATTRIBUTES = [
  ...(['relativeCompactness', 'surfaceAreaM2', 'wallAreaM2', 'roofAreaM2'] as const),
  ...(['overallHeightM', 'orientation', 'glazingAreaRatio', 'glazingDistribution'] as const),
] as const satisfies readonly (keyof EnergyAttributes)[];

/** Names of the attributes that may become features, by data set. */
export const ATTRIBUTES = { ecebd: BUILDING_ATTRIBUTES, 'uci-energy': ENERGY_ATTRIBUTES } as const;

const OUTCOME_COLUMN = /^(ghg|ratio)_|_harm|^y\d+$|kgco2e|load_?kwh/i;
const outcomeNames = new Set<string>(Object.values(OUTCOMES).flat());
const moduleNames = new Set<string>(LIFE_CYCLE_MODULES);

/** Whether a column or attribute name is an outcome: ECEBD's `GHG_*`, `ratio_*` and `*_harm*`, UCI's `Y1`, `Y2`, a life-cycle module, or one of `OUTCOMES`. */
export function isOutcomeColumn(name: string): boolean {
  return OUTCOME_COLUMN.test(name.trim()) || outcomeNames.has(name) || moduleNames.has(name);
}

/**
 * Refuses a schema in which an outcome is a feature: a model that sees its target measures nothing.
 * Throws InvalidInputError (code `outcome_feature`) naming the feature.
 */
export function assertNoOutcomeFeature(schema: Pick<FeatureSchema, 'features' | 'crosses'>): void {
  for (const { name, column } of [...schema.features, ...factorsOf(schema)]) {
    const leak = [name, column].find(isOutcomeColumn);
    if (leak === undefined) continue;
    throw new InvalidInputError(`feature "${name}" reads the outcome "${leak}"; an outcome can never be a feature`, {
      code: 'outcome_feature',
    });
  }
}

/**
 * Refuses a schema that cannot be encoded: no features, an unknown or repeated attribute, an outcome, an empty, repeated or unordered list of bins.
 * Returns it unchanged. Throws InvalidInputError naming the feature.
 */
export function checkFeatureSchema(schema: FeatureSchema): FeatureSchema {
  assertNoOutcomeFeature(schema);
  if (schema.features.length === 0) throw new InvalidInputError('a feature schema needs at least one feature');
  const attributes: readonly string[] = ATTRIBUTES[schema.dataset];
  const seen = new Set<string>();
  for (const feature of schema.features) {
    const fail = (why: string) => new InvalidInputError(`feature "${feature.name}" of ${schema.dataset}: ${why}`);
    if (!attributes.includes(feature.name)) throw fail(`no such attribute; there are ${attributes.join(', ')}`);
    if (seen.has(feature.name)) throw fail('listed twice');
    seen.add(feature.name);
    checkBins(feature, fail);
  }
  const crosses = schema.crosses ?? [];
  for (const { name, factors } of crosses) {
    const fail = (why: string) => new InvalidInputError(`cross "${name}" of ${schema.dataset}: ${why}`);
    if (factors.length === 0) throw fail('has no factors');
    for (const factor of factors) {
      if (!seen.has(factor.name)) throw fail(`"${factor.name}" is none of its features ${[...seen].join(', ')}`);
      if (factors.filter(({ name: other }) => other === factor.name).length > 1) throw fail(`${factor.name} twice`);
      checkBins(factor, fail);
    }
  }
  if (schema.crosses !== undefined) {
    if (crosses.length === 0) throw new InvalidInputError('a schema with crosses needs at least one');
    if (new Set(crosses.map(({ name }) => name)).size !== crosses.length)
      throw new InvalidInputError('two crosses share a name');
  }
  return schema;
}

function ascending(values: readonly number[]): boolean {
  return values.every((value, i) => Number.isFinite(value) && (i === 0 || value > (values[i - 1] ?? NaN)));
}

function factorsOf({ crosses }: Pick<FeatureSchema, 'crosses'>): readonly (Feature | GroupsFeature)[] {
  return (crosses ?? []).flatMap(({ factors }) => factors);
}

function checkBins(feature: Feature | GroupsFeature, fail: (why: string) => InvalidInputError): void {
  const bins = publicBins(feature);
  if (bins.length === 0) throw fail('has no bins');
  if (new Set(bins).size !== bins.length) throw fail('has a bin twice');
  if ((feature.kind === 'log10' || feature.kind === 'levels') && !ascending(bins as readonly number[])) {
    throw fail(`its bins must be finite and ascending, found ${bins.join(', ')}`);
  }
  if (feature.kind !== 'groups') return;
  const terms = feature.groups.flatMap((group) => group.terms);
  if (feature.groups.some((group) => group.terms.length === 0)) throw fail('has a group without terms');
  if (new Set(terms).size !== terms.length) throw fail('has a term in two groups');
}

function publicBins(feature: Feature | GroupsFeature): readonly (string | number)[] {
  switch (feature.kind) {
    case 'codebook':
      return feature.terms;
    case 'groups':
      return feature.groups.map(({ label }) => label);
    case 'log10':
      return feature.edges;
    case 'levels':
      return feature.levels;
  }
}
