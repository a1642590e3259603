import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BuildingAttributes } from './building-record.ts';
import { allBinLabels, binsPerFeature, encode } from './encoding.ts';
import { checkFeatureSchema } from './feature-schema.ts';
import type { CrossFeature, FeatureSchema } from './feature-schema.ts';
import { ECEBD_SCHEMA_V2, UCI_ENERGY_SCHEMA_V2 } from './crossed-schemas.ts';
import { ECEBD_SCHEMA, UCI_ENERGY_SCHEMA } from './schemas.ts';
import { simulateEnergy } from './simulate-energy.ts';

const house: BuildingAttributes = {
  country: 'DK',
  useType: 'residential',
  useSubtype: 'row-house',
  structureType: 'frame-wood',
  mainMaterial: 'timber-wood',
  gfaM2: 120,
  userCount: 4,
};
const labels = allBinLabels(ECEBD_SCHEMA_V2);
const labelsOf = (attributes: BuildingAttributes) => {
  const bins = binsPerFeature(ECEBD_SCHEMA_V2);
  const start = (a: number) => bins.slice(0, a).reduce((sum, count) => sum + count, 0);
  return [...encode({ attributes }, ECEBD_SCHEMA_V2)].map((code, a) => labels[start(a) + code]);
};

describe('the crosses of ecebd/v2', () => {
  it('have 281 bins with distinct names, in 4 features', () => {
    expect(binsPerFeature(ECEBD_SCHEMA_V2)).toEqual([20, 125, 56, 80]);
    expect(labels).toHaveLength(281);
    expect(new Set(labels).size).toBe(281);
  });

  it('put a building where a person would', () => {
    expect(labelsOf(house)).toEqual([
      'country x use=nordic x house',
      'country x structure x material=nordic x wood x wood',
      'material x users=timber-wood x 3.47 to 6.08',
      'country x use x floor area=nordic x house x up to 140',
    ]);
    expect(labelsOf({ ...house, country: null, structureType: 'ice', gfaM2: null, userCount: null })).toEqual([
      'country x use=missing x house',
      'country x structure x material=missing x other x wood',
      'material x users=timber-wood x missing',
      'country x use x floor area=missing x house x missing',
    ]);
  });

  // The order of codes is what models are stored under; it must never change.
  it('run over the last factor first', () => {
    expect(labels.slice(0, 5)).toEqual([
      'country x use=missing x missing',
      'country x use=missing x house',
      'country x use=missing x flats',
      'country x use=missing x other',
      'country x use=FR x missing',
    ]);
    expect([...encode({ attributes: house }, ECEBD_SCHEMA_V2)]).toEqual([
      3 * 4 + 1,
      (3 * 5 + 3) * 5 + 3,
      4 * 7 + 3,
      (3 * 4 + 1) * 4 + 1,
    ]);
  });

  it('stay inside their bins, and see no more than the bins of version 1 and the two edges of floor area', () => {
    const text = (feature: number) => {
      const known = ECEBD_SCHEMA.features[feature];
      const terms = known?.kind === 'codebook' ? known.terms : [];
      return fc.option(fc.oneof(fc.constantFrom(...terms), fc.string()), { nil: null });
    };
    const quantity = fc.option(fc.double({ min: 0, minExcluded: true, noNaN: true, max: 1e300 }), { nil: null });
    const anything = fc.record({
      country: text(0),
      useType: fc.constant('residential'),
      useSubtype: text(1),
      structureType: text(2),
      mainMaterial: text(3),
      gfaM2: quantity,
      userCount: quantity,
    });
    fc.assert(
      fc.property(anything, (attributes) => {
        const codes = [...encode({ attributes }, ECEBD_SCHEMA_V2)];
        const bins = binsPerFeature(ECEBD_SCHEMA_V2);
        expect(codes.every((code, a) => code < (bins[a] ?? 0))).toBe(true);
        // Material x users is made of the same bins as version 1.
        const v1 = encode({ attributes }, ECEBD_SCHEMA);
        expect(codes[2]).toBe((v1[3] ?? NaN) * 7 + (v1[5] ?? NaN));
      }),
    );
  });

  it('refuse what version 1 refuses', () => {
    expect(() => labelsOf({ ...house, gfaM2: -1 })).toThrow('gfaM2 is -1; expected a positive number or null');
  });
});

describe('uci-energy/v2', () => {
  it('knows the shape, the glazing, and the glazing of each height', () => {
    expect(binsPerFeature(UCI_ENERGY_SCHEMA_V2)).toEqual([12, 4, 8]);
    const energy = simulateEnergy({ seed: 3 });
    for (const { attributes } of energy) {
      const [shape, glazing, heightAndGlazing] = encode({ attributes }, UCI_ENERGY_SCHEMA_V2);
      const v1 = encode({ attributes }, UCI_ENERGY_SCHEMA);
      expect([shape, glazing, heightAndGlazing]).toEqual([v1[0], v1[6], (v1[4] ?? NaN) * 4 + (v1[6] ?? NaN)]);
    }
    // Compactness names the shape: nothing is lost by leaving the other areas out.
    const shapes = (count: number) =>
      new Set(energy.map(({ attributes }) => encode({ attributes }, UCI_ENERGY_SCHEMA).slice(0, count).join())).size;
    expect(shapes(5)).toBe(shapes(1));
  });
});

describe('checkFeatureSchema of crosses', () => {
  const [first, ...others] = ECEBD_SCHEMA_V2.crosses as [CrossFeature, ...CrossFeature[]];
  const withFirst = (change: object): FeatureSchema => ({
    ...ECEBD_SCHEMA_V2,
    crosses: [{ ...first, ...change } as CrossFeature, ...others],
  });
  const [factor] = first.factors;

  it.each<[string, FeatureSchema, string]>([
    ['no crosses', { ...ECEBD_SCHEMA_V2, crosses: [] }, 'needs at least one'],
    ['no factors', withFirst({ factors: [] }), 'cross "country x use" of ecebd: has no factors'],
    ['a name twice', withFirst({ name: 'material x users' }), 'two crosses share a name'],
    ['an attribute twice', withFirst({ factors: [factor, factor] }), 'country twice'],
    ['an attribute that is no feature', withFirst({ factors: [{ ...factor, name: 'useType' }] }), '"useType" is none'],
    ['an outcome', withFirst({ factors: [{ ...factor, column: 'GHG_sum_em' }] }), 'reads the outcome "GHG_sum_em"'],
    ['no groups', withFirst({ factors: [{ ...factor, groups: [] }] }), 'has no bins'],
    ['an empty group', withFirst({ factors: [{ ...factor, groups: [{ label: 'a', terms: [] }] }] }), 'without terms'],
    [
      'a term in two groups',
      withFirst({ factors: [{ ...factor, groups: ['a', 'b'].map((label) => ({ label, terms: ['FR'] })) }] }),
      'a term in two groups',
    ],
  ])('refuses %s', (_, schema, message) => {
    expect(() => checkFeatureSchema(schema)).toThrow(message);
  });
});
