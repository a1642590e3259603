import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { sharedPath } from '@fedcarbon/testing';
import { OUTCOMES } from './building-record.ts';
import { parseCsv } from './csv.ts';
import { ATTRIBUTES, assertNoOutcomeFeature, checkFeatureSchema, isOutcomeColumn } from './feature-schema.ts';
import type { Feature, FeatureSchema } from './feature-schema.ts';
import { ECEBD_SCHEMA, UCI_ENERGY_SCHEMA } from './schemas.ts';

const [country, ...others] = ECEBD_SCHEMA.features as [Feature, ...Feature[]];
const withFirst = (change: object): FeatureSchema => ({
  ...ECEBD_SCHEMA,
  features: [{ ...country, ...change } as Feature, ...others],
});

const ecebd = sharedPath('data/ecebd/EU-ECB_dataset_feature_engineered.csv');
const energy = sharedPath('data/uci-energy/ENB2012_data.csv');
const headerOf = (path: string) => parseCsv(readFileSync(path, 'utf8')).header.filter((name) => name !== '');

(ecebd ? describe : describe.skip)('outcomes in the real header of EU-ECB-DB (needs shared/data)', () => {
  // Everything from the first GHG column on is a result of the assessment, everything before it is an input.
  const header = ecebd === undefined ? [] : headerOf(ecebd);
  const firstOutcome = header.indexOf('GHG_sum_em');

  it('has 222 columns, of which 126 are outcomes', () => {
    expect([header.length, header.length - firstOutcome]).toEqual([222, 126]);
  });

  it.each(header.slice(0, firstOutcome))('%s may be read', (column) => {
    expect(() => checkFeatureSchema(withFirst({ column }))).not.toThrow();
  });

  it.each(header.slice(firstOutcome))('%s is refused, as column and as attribute', (column) => {
    expect(() => checkFeatureSchema(withFirst({ column }))).toThrow(`reads the outcome "${column}"`);
    expect(() => {
      assertNoOutcomeFeature(withFirst({ name: column }));
    }).toThrow(`reads the outcome "${column}"`);
  });
});

(energy ? describe : describe.skip)('outcomes in the real header of UCI Energy (needs shared/data)', () => {
  it('are Y1 and Y2', () => {
    const header = energy === undefined ? [] : headerOf(energy);
    expect(header.filter(isOutcomeColumn)).toEqual(['Y1', 'Y2']);
    expect(header).toHaveLength(10);
  });
});

describe('outcomes', () => {
  it('are recognised by their family of names, in any case', () => {
    const family = fc.oneof(
      fc.string().map((rest) => `GHG_${rest}`),
      fc.string().map((rest) => `ratio_${rest}`),
      fc.tuple(fc.string(), fc.string()).map(([a, b]) => `${a}_harm${b}`),
      fc.nat().map((i) => `Y${i}`),
      fc.constantFrom(...Object.values(OUTCOMES).flat()),
    );
    fc.assert(
      fc.property(family, fc.boolean(), (name, lower) => {
        expect(() => checkFeatureSchema(withFirst({ column: lower ? name.toLowerCase() : name }))).toThrow(
          'can never be a feature',
        );
      }),
    );
  });

  it('are no attribute of any data set, so no schema can reach them', () => {
    expect(Object.values(ATTRIBUTES).flat().filter(isOutcomeColumn)).toEqual([]);
  });
});

describe('checkFeatureSchema', () => {
  it('accepts the published schemas', () => {
    for (const schema of [ECEBD_SCHEMA, UCI_ENERGY_SCHEMA]) expect(checkFeatureSchema(schema)).toBe(schema);
  });

  it.each<[string, FeatureSchema, string]>([
    ['no features', { ...ECEBD_SCHEMA, features: [] }, 'at least one feature'],
    ['an unknown attribute', withFirst({ name: 'colour' }), 'feature "colour" of ecebd: no such attribute'],
    ['an attribute of the other data set', withFirst({ name: 'wallAreaM2' }), 'feature "wallAreaM2" of ecebd'],
    ['a feature twice', { ...ECEBD_SCHEMA, features: [country, country] }, 'feature "country" of ecebd: listed twice'],
    ['a term twice', withFirst({ terms: ['FR', 'FR'] }), 'has a bin twice'],
    ['no terms', withFirst({ terms: [] }), 'has no bins'],
    ['descending edges', withFirst({ kind: 'log10', edges: [2, 1] }), 'ascending, found 2, 1'],
    ['an edge that is no number', withFirst({ kind: 'log10', edges: [NaN] }), 'ascending, found NaN'],
  ])('refuses %s', (_, schema, message) => {
    expect(() => checkFeatureSchema(schema)).toThrow(message);
  });
});
