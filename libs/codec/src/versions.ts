import { InvalidInputError } from '@fedcarbon/kernel';
import * as v1 from './v1/packed-integers.ts';

/** Every version that can still be read. A version is never changed once something was published in it; a new one gets its own folder. */
const VERSIONS = new Map([[v1.VERSION, v1]]);

/**
 * Reads an update of any known version, told by its first byte.
 * Throws InvalidInputError (code `invalid_encoding`) for an unknown version and for whatever that version refuses.
 */
export function decodeIntegers(bytes: Uint8Array): v1.PackedIntegers {
  const version = bytes[0];
  const codec = version === undefined ? undefined : VERSIONS.get(version);
  if (codec === undefined) {
    const found = version === undefined ? 'no bytes at all' : `version ${String(version)}`;
    throw new InvalidInputError(
      `the update must begin with a known version (${[...VERSIONS.keys()].join(', ')}), found ${found}`,
      {
        code: 'invalid_encoding',
      },
    );
  }
  return codec.decodeIntegers(bytes);
}
