import { describe, expect, it } from '@jest/globals';
import { outcomeOf } from './building-record.ts';
import type { BuildingRecord, OutcomeName } from './building-record.ts';
import { binsPerFeature, encode } from './encoding.ts';
import { ECEBD_SCHEMA, UCI_ENERGY_SCHEMA } from './schemas.ts';
import { simulateEnergy } from './simulate-energy.ts';
import { simulateStock } from './simulate-stock.ts';

const moments = (records: readonly BuildingRecord[], outcome: OutcomeName) => {
  const values = records.map((record) => outcomeOf(record, outcome));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { mean, sd, min: Math.min(...values), max: Math.max(...values) };
};

describe('simulateStock', () => {
  const stock = simulateStock({ records: 640, seed: 42 });

  it('is reproducible, changes with the seed, and a longer stock begins like a shorter one', () => {
    expect(simulateStock({ records: 640, seed: 42 })).toEqual(stock);
    expect(simulateStock({ records: 10, seed: 42 })).toEqual(stock.slice(0, 10));
    expect(simulateStock({ records: 10, seed: 43 })).not.toEqual(stock.slice(0, 10));
  });

  it('calls every record simulated and gives it an id of its own', () => {
    expect(stock.every(({ simulated }) => simulated)).toBe(true);
    expect(new Set(stock.map(({ id }) => id)).size).toBe(640);
  });

  it('lies where real residential stock lies', () => {
    // Published means of national benchmarks are 6 to 15 kgCO2e/m2/year; 2 to 22 is the public range of the plan.
    const { mean, sd, min, max } = moments(stock, 'embodiedCarbonKgCo2ePerM2PerYear');
    expect(mean).toBeGreaterThan(6);
    expect(mean).toBeLessThan(15);
    expect(sd / mean).toBeGreaterThan(0.1);
    expect(min).toBeGreaterThan(2);
    expect(max).toBeLessThan(22);
  });

  it('orders structures as their quantities do: concrete above brick above timber', () => {
    const french = simulateStock({ records: 4000, seed: 1 }).filter(({ attributes }) => attributes.country === 'FR');
    const mean = (structureType: string) =>
      moments(
        french.filter(({ attributes }) => attributes.structureType === structureType),
        'embodiedCarbonKgCo2ePerM2PerYear',
      ).mean;
    expect(mean('massive-concrete')).toBeGreaterThan(mean('massive-brick'));
    expect(mean('massive-brick')).toBeGreaterThan(mean('frame-wood'));
  });

  it('uses the same bins: never "other", and "missing" where facts are missing', () => {
    const bins = binsPerFeature(ECEBD_SCHEMA);
    const codes = stock.map((record) => encode(record, ECEBD_SCHEMA));
    ECEBD_SCHEMA.features.forEach(({ kind, name }, a) => {
      const used = new Set(codes.map((code) => code[a]));
      if (kind === 'codebook') expect(used.has((bins[a] ?? 0) - 1)).toBe(false);
      expect(used.has(0)).toBe(['structureType', 'mainMaterial', 'gfaM2', 'userCount'].includes(name));
    });
  });

  it.each([0, -1, 1.5, NaN])('refuses %d records', (records) => {
    expect(() => simulateStock({ records, seed: 1 })).toThrow(`cannot simulate ${records} records`);
  });

  it('refuses a seed that is no integer', () => {
    expect(() => simulateStock({ records: 1, seed: 0.5 })).toThrow('the seed is 0.5');
    expect(() => simulateEnergy({ seed: NaN })).toThrow('the seed is NaN');
  });
});

describe('simulateEnergy', () => {
  const shapes = simulateEnergy({ seed: 42 });

  it('is the full factorial, each design once, every level in the bins, and says that it is simulated', () => {
    expect(new Set(shapes.map(({ attributes }) => JSON.stringify(attributes))).size).toBe(768);
    const used = UCI_ENERGY_SCHEMA.features.map(() => new Set<number>());
    for (const record of shapes) encode(record, UCI_ENERGY_SCHEMA).forEach((code, a) => used[a]?.add(code));
    expect(used.map(({ size }) => size)).toEqual(binsPerFeature(UCI_ENERGY_SCHEMA));
    expect(shapes.every(({ simulated }) => simulated)).toBe(true);
    expect(simulateEnergy({ seed: 42 })).toEqual(shapes);
  });

  it('has closed shapes: surface = walls + floor + roof', () => {
    for (const { attributes: a } of shapes) expect(a.surfaceAreaM2).toBe(a.wallAreaM2 + 2 * a.roofAreaM2);
  });

  it('keeps heating in the public range of the plan (0 to 50 kWh/m2) and follows the physics', () => {
    const { min, max } = moments(shapes, 'heatingLoadKwhPerM2');
    expect(min).toBeGreaterThan(0);
    expect(max).toBeLessThan(50);
    const mean = (keep: (a: (typeof shapes)[number]['attributes']) => boolean, outcome: OutcomeName) =>
      moments(
        shapes.filter(({ attributes }) => keep(attributes)),
        outcome,
      ).mean;
    const large = (a: { surfaceAreaM2: number }) => a.surfaceAreaM2 >= 784;
    const compact = (a: { surfaceAreaM2: number }) => a.surfaceAreaM2 <= 588;
    expect(mean(large, 'heatingLoadKwhPerM2')).toBeGreaterThan(mean(compact, 'heatingLoadKwhPerM2'));
    const glass = (a: { glazingAreaRatio: number }) => a.glazingAreaRatio === 0.4;
    const none = (a: { glazingAreaRatio: number }) => a.glazingAreaRatio === 0;
    expect(mean(glass, 'coolingLoadKwhPerM2')).toBeGreaterThan(mean(none, 'coolingLoadKwhPerM2'));
  });
});
