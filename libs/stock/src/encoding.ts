import { InvalidInputError } from '@fedcarbon/kernel';
import { outcomeOf } from './building-record.ts';
import type { AttributeValue, BuildingRecord, OutcomeName } from './building-record.ts';
import type { CrossFeature, Feature, FeatureSchema, GroupsFeature } from './feature-schema.ts';

/** Names of the bins of one feature, in the order of their codes. */
export function binLabels(feature: Feature | GroupsFeature): string[] {
  switch (feature.kind) {
    case 'groups':
      return ['missing', ...feature.groups.map(({ label }) => label), 'other'];
    case 'codebook':
      return ['missing', ...feature.terms, 'other'];
    case 'levels':
      return feature.levels.map(String);
    case 'log10': {
      // Edges are shown in the feature's own unit, to three digits.
      const limits = feature.edges.map((edge) => Number((10 ** edge - 1).toPrecision(3)));
      const inner = limits.slice(1).map((limit, i) => `${limits[i] ?? ''} to ${limit}`);
      return ['missing', `up to ${limits[0] ?? ''}`, ...inner, `over ${limits.at(-1) ?? ''}`];
    }
  }
}

/** The features of the model: the schema's crosses, or else each of its attributes by itself. */
function modelFeatures(schema: FeatureSchema): readonly CrossFeature[] {
  return schema.crosses ?? schema.features.map((feature) => ({ name: feature.name, factors: [feature] }));
}

/** Number of bins of each feature of the model, shape (d). */
export function binsPerFeature(schema: FeatureSchema): number[] {
  return modelFeatures(schema).map(({ factors }) =>
    factors.reduce((bins, factor) => bins * binLabels(factor).length, 1),
  );
}

/** Names of all p bins, e.g. "country=FR", or "country x use=nordic x house" of a cross. */
export function allBinLabels(schema: FeatureSchema): string[] {
  return modelFeatures(schema).flatMap(({ name, factors }) => {
    const combinations = factors.reduce<string[][]>(
      (prefixes, factor) => prefixes.flatMap((prefix) => binLabels(factor).map((label) => [...prefix, label])),
      [[]],
    );
    return combinations.map((labels) => `${name}=${labels.join(' x ')}`);
  });
}

/**
 * Code of each feature of the model, shape (d), counted from 0 within its own feature. Reads `attributes` only, so a building without an outcome can be encoded too.
 * Throws InvalidInputError when an attribute is absent, of the wrong type, not positive (log10), or not a level of the design (code `unknown_level`).
 */
export function encode(record: Pick<BuildingRecord, 'attributes'>, schema: FeatureSchema): Uint16Array {
  const attributes: Readonly<Record<string, AttributeValue>> = record.attributes;
  return Uint16Array.from(modelFeatures(schema), ({ factors }) =>
    factors.reduce((code, factor) => code * binLabels(factor).length + codeOf(attributes[factor.name], factor), 0),
  );
}

function codeOf(value: AttributeValue | undefined, feature: Feature | GroupsFeature): number {
  const fail = (expected: string, code = 'invalid_input') =>
    new InvalidInputError(`${feature.name} is ${JSON.stringify(value) ?? 'absent'}; expected ${expected}`, { code });
  if (feature.kind === 'levels') {
    const code = typeof value === 'number' ? feature.levels.indexOf(value) : -1;
    if (code < 0) throw fail(`one of ${feature.levels.join(', ')}`, 'unknown_level');
    return code;
  }
  if (value === null) return 0;
  if (feature.kind === 'groups') {
    if (typeof value !== 'string') throw fail('a text or null');
    const position = feature.groups.findIndex(({ terms }) => terms.includes(value));
    return position < 0 ? feature.groups.length + 1 : position + 1;
  }
  if (feature.kind === 'codebook') {
    if (typeof value !== 'string') throw fail('a text or null');
    const position = feature.terms.indexOf(value);
    return position < 0 ? feature.terms.length + 1 : position + 1;
  }
  if (typeof value !== 'number' || !(value > 0 && value < Infinity)) throw fail('a positive number or null');
  const scaled = Math.log10(1 + value);
  return 1 + feature.edges.filter((edge) => edge < scaled).length;
}

/** Records as numbers: `codes` is row-major, shape (n, d); `targets` has shape (n), in the unit of the outcome. */
export interface EncodedRecords {
  readonly n: number;
  readonly d: number;
  readonly codes: Uint16Array;
  readonly targets: Float64Array;
}

/** Encodes `records` under `schema`, with `outcome` as the target. Throws as `encode` and `outcomeOf`. */
export function encodeRecords(
  records: readonly BuildingRecord[],
  schema: FeatureSchema,
  outcome: OutcomeName,
): EncodedRecords {
  const [n, d] = [records.length, modelFeatures(schema).length];
  const codes = new Uint16Array(n * d);
  records.forEach((record, i) => {
    codes.set(encode(record, schema), i * d);
  });
  return { n, d, codes, targets: Float64Array.from(records, (record) => outcomeOf(record, outcome)) };
}
