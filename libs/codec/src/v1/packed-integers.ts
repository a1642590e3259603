import { InvalidInputError } from '@fedcarbon/kernel';
import { requireBits } from '../ring.ts';

/** First byte of every encoding of this version. */
export const VERSION = 1;

const HEADER_BYTES = 5;
const MAX_COUNT = 0xffffff;

/** What an encoding of packed integers holds. */
export interface PackedIntegers {
  /** Width b of one integer, 2 to 31. */
  readonly bits: number;
  /** Residues modulo 2^b, each in [0, 2^b). `toSigned` turns a residue into the integer nearest to zero. */
  readonly values: Uint32Array<ArrayBuffer>;
}

/** Bytes of an encoding of `count` integers of `bits` bits: 5 for the header and ceil(count * bits / 8). */
export function encodedLength(count: number, bits: number): number {
  return HEADER_BYTES + Math.ceil((count * bits) / 8);
}

/**
 * Packs integers modulo 2^bits:
 *
 *     version u8 = 1 | bits u8 | count u24, big-endian | count integers of `bits` bits, most significant bit first | zero bits up to a whole byte
 *
 * A value outside [-2^(bits-1), 2^(bits-1)) wraps; that is the point, since sums of encodings are taken modulo 2^bits as well.
 * Throws InvalidInputError for a width outside 2..31 and for more than 2^24 - 1 values.
 */
export function encodeIntegers(values: Int32Array | Uint32Array, bits: number): Uint8Array<ArrayBuffer> {
  requireBits(bits);
  const count = values.length;
  if (count > MAX_COUNT)
    throw invalid(`${String(count)} integers do not fit one update; at most ${String(MAX_COUNT)} do`);
  const bytes = new Uint8Array(encodedLength(count, bits));
  bytes.set([VERSION, bits, count >>> 16, (count >>> 8) & 255, count & 255]);
  let position = 8 * HEADER_BYTES;
  for (const value of values) {
    for (let bit = bits - 1; bit >= 0; bit--, position++) {
      if ((value >>> bit) & 1) bytes[position >> 3] = (bytes[position >> 3] as number) | (0x80 >> (position & 7));
    }
  }
  return bytes;
}

/**
 * Reads what `encodeIntegers` wrote, and nothing else: whatever is accepted encodes to the same bytes again. The receiver still compares `bits`
 * and `values.length` with its plan.
 * Throws InvalidInputError (code `invalid_encoding`) for another version, a width outside 2..31, a length that is not exactly the one that the
 * header announces, and padding bits that are not zero. The length is checked before memory is taken.
 */
export function decodeIntegers(bytes: Uint8Array): PackedIntegers {
  const [version, bits, high, middle, low] = bytes;
  if (version === undefined || bits === undefined || high === undefined || middle === undefined || low === undefined) {
    throw invalid(
      `an update of ${String(bytes.length)} bytes is shorter than its header of ${String(HEADER_BYTES)} bytes`,
    );
  }
  if (version !== VERSION) throw invalid(`version ${String(version)} is not version ${String(VERSION)}`);
  requireBits(bits);
  const count = (high << 16) | (middle << 8) | low;
  const expected = encodedLength(count, bits);
  if (bytes.length !== expected) {
    throw invalid(
      `an update of ${String(count)} integers of ${String(bits)} bits takes ${String(expected)} bytes, this one has ${String(bytes.length)}`,
    );
  }
  const values = new Uint32Array(count);
  let position = 8 * HEADER_BYTES;
  const nextBit = (): number => {
    const bit = ((bytes[position >> 3] as number) >> (7 - (position & 7))) & 1;
    position++;
    return bit;
  };
  for (let i = 0; i < count; i++) {
    let value = 0;
    for (let bit = 0; bit < bits; bit++) value = (value << 1) | nextBit();
    values[i] = value;
  }
  while (position < 8 * bytes.length) {
    if (nextBit() !== 0) throw invalid('the padding after the last integer must be zero bits');
  }
  return { bits, values };
}

function invalid(message: string): InvalidInputError {
  return new InvalidInputError(message, { code: 'invalid_encoding' });
}
