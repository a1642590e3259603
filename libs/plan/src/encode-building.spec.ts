import { describe, expect, it } from '@jest/globals';
import { simulateStock } from '@fedcarbon/stock';
import { encodeBuilding, encodeStock, stockView } from './index.ts';

const view = stockView({ featureSchema: 'ecebd/v1', target: 'embodied-carbon' });
const names = view.schema.features.map(({ name }) => name);

describe('a building that is asked about', () => {
  it('falls into the bins of the record with the same attributes', () => {
    const records = simulateStock({ records: 30, seed: 5 });
    const asked = records.map(({ attributes }) =>
      Object.fromEntries(Object.entries(attributes).filter(([name]) => names.includes(name))),
    );
    expect(asked.flatMap((attributes) => [...encodeBuilding(view, attributes)])).toEqual([
      ...encodeStock(view, records).codes,
    ]);
  });

  it('may leave attributes out and spell terms in its own way, but knows no other attributes', () => {
    expect([...encodeBuilding(view, {})]).toEqual(names.map(() => 0));
    expect(encodeBuilding(view, { useSubtype: 'Single family house' })).toEqual(
      encodeBuilding(view, { useSubtype: 'single-family-house', gfaM2: null }),
    );
    expect(() => encodeBuilding(view, { colour: 'red' })).toThrow(/unknown attribute "colour"; there are country,/);
    expect(() => encodeBuilding(view, { gfaM2: -1 })).toThrow(/gfaM2 is -1; expected a positive number/);
  });
});
