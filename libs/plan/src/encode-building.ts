import { InvalidInputError } from '@fedcarbon/kernel';
import { type BuildingRecord, encode, type Feature, sameTerm } from '@fedcarbon/stock';
import type { StockView } from './stock-views.ts';

/** Attributes of one building by feature name, as somebody asks about it; missing ones count as unknown. */
export type AskedAttributes = Readonly<Record<string, string | number | null>>;

/**
 * The bins of a building that is asked about, shape (d). Throws InvalidInputError for an attribute that is no feature of the plan or has a value that no bin
 * takes, naming it.
 */
export function encodeBuilding({ schema }: StockView, asked: AskedAttributes): Uint16Array {
  const attributes = Object.fromEntries(schema.features.map((feature) => [feature.name, valueOf(feature, asked)]));
  const names = schema.features.map(({ name }) => name);
  const unknown = Object.keys(asked).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new InvalidInputError(`unknown attribute "${unknown}"; there are ${names.join(', ')}`, {
      code: 'unknown_attribute',
    });
  }
  // `encode` checks every value itself.
  return encode({ attributes: attributes as unknown as BuildingRecord['attributes'] }, schema);
}

/** Absent is unknown; a category may be spelled in any way that `termOf` makes one. */
function valueOf(feature: Feature, asked: AskedAttributes): string | number | null {
  const value = Object.hasOwn(asked, feature.name) ? (asked[feature.name] ?? null) : null;
  if (feature.kind !== 'codebook' || typeof value !== 'string') return value;
  return sameTerm(feature.terms, value) ?? value;
}
