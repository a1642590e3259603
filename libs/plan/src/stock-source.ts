import type { PlanFile } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { stockView } from './stock-views.ts';

/** Use of the buildings that each source is read for; null where it tells none. */
const USES: Readonly<Record<PlanFile['stock']['source'], string | null>> = {
  ecebd: 'residential',
  'uci-energy': null,
};

/** The use of a plan's buildings. Throws InvalidInputError, naming the key, for one that the source cannot give. */
export function stockUse({ source, use }: PlanFile['stock']): string | null {
  const given = USES[source];
  if (use === undefined || use === given) return given;
  const remedy = given === null ? 'tells no use; leave it out' : `is read for "${given}" only`;
  throw new InvalidInputError(`stock.use: found "${use}", but ${source} ${remedy}`);
}

/** Throws InvalidInputError, naming the key, unless the source has what bins, target and use speak of. */
export function checkSource(stock: PlanFile['stock']): void {
  const { dataset } = stockView(stock);
  if (dataset !== stock.source) {
    throw new InvalidInputError(
      `stock.source: found "${stock.source}", but the bins "${stock.featureSchema}" are of ${dataset}`,
    );
  }
  stockUse(stock);
}
