import { utf8 } from './bytes.ts';
import { InvalidInputError } from './errors.ts';

/** What JSON can hold. `undefined` members of an object are left out, as in `JSON.stringify`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * The one text of a JSON value (RFC 8785): no white space, members sorted by UTF-16 code units, numbers and strings as ECMAScript writes them.
 * Everything that is hashed or signed goes through here, so that all parties rebuild the same bytes.
 * Throws InvalidInputError for a value that JSON cannot carry (NaN, infinity, a lone surrogate, a function).
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new InvalidInputError(`JSON cannot carry the number ${String(value)}`);
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value))
      throw new InvalidInputError('JSON text must not hold a lone surrogate (RFC 8785, section 3.2.2.2)');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') {
    const object = value as { readonly [key: string]: Json | undefined };
    const members = Object.keys(object)
      .filter((key) => object[key] !== undefined)
      .sort()
      .map((key) => `${canonicalJson(key)}:${canonicalJson(object[key] ?? null)}`);
    return `{${members.join(',')}}`;
  }
  throw new InvalidInputError(`JSON cannot carry a ${typeof value}`);
}

/** UTF-8 bytes of `canonicalJson(value)`. */
export function canonicalBytes(value: Json): Uint8Array {
  return utf8(canonicalJson(value));
}
