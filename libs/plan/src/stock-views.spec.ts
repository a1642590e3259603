import { describe, expect, it } from '@jest/globals';
import { ECEBD_SCHEMA_V2, simulateStock } from '@fedcarbon/stock';
import { binCounts, encodeStock, stockView } from './index.ts';

const stock = { featureSchema: 'ecebd/v2', target: 'embodied-carbon' };

describe('stockView of crossed features', () => {
  it('gives the model the crosses and the outside world the attributes', () => {
    const view = stockView(stock);
    expect(binCounts(view)).toEqual([20, 125, 56, 80]);
    expect(view.schema.features.map(({ name }) => name)).toEqual([
      ...['country', 'useSubtype', 'structureType', 'mainMaterial'],
      ...['gfaM2', 'userCount'],
    ]);
    // A plan names all attributes that its model sees; naming them changes nothing.
    const named = stockView({ ...stock, features: view.schema.features.map(({ name }) => name) });
    expect(named).toEqual(view);
    expect(view.schema.crosses).toEqual(ECEBD_SCHEMA_V2.crosses);
    const encoded = encodeStock(view, simulateStock({ records: 30, seed: 5 }));
    expect(encoded.shape).toMatchObject({ d: 4, p: 281 });
    expect(encoded.codes).toHaveLength(4 * 30);
  });

  it('keeps the crosses that the chosen attributes allow, and refuses a choice that leaves none', () => {
    const view = stockView({ ...stock, features: ['country', 'useSubtype', 'gfaM2'] });
    expect(view.schema.crosses?.map(({ name }) => name)).toEqual(['country x use', 'country x use x floor area']);
    expect(() => stockView({ ...stock, features: ['country'] })).toThrow(
      /stock.features: country leave no feature of the model; each needs all of country x use, or/,
    );
  });
});
