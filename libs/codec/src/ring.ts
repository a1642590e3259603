import { InvalidInputError } from '@fedcarbon/kernel';

/** Vectors of integers modulo 2^b are held as residues in [0, 2^b), b from 2 to 31. */
export type Residues = Uint32Array<ArrayBuffer>;

/** Throws InvalidInputError unless `bits` is a whole number from 2 to 31. */

export function requireBits(bits: number): void {
  if (!Number.isInteger(bits) || bits < 2 || bits > 31) {
    throw new InvalidInputError(`the width of an integer must be 2 to 31 bits, found ${String(bits)}`, {
      code: 'invalid_encoding',
    });
  }
}

/** Residues modulo 2^bits of any 32-bit integers; two's complement makes this one mask. */
export function toResidues(values: Int32Array | Uint32Array, bits: number): Residues {
  requireBits(bits);
  return Uint32Array.from(values, (value) => value & mask(bits));
}

/** a + b modulo 2^bits, coordinate by coordinate. Throws InvalidInputError when the lengths differ. */
export function addModulo(a: Int32Array | Uint32Array, b: Int32Array | Uint32Array, bits: number): Residues {
  return sumModulo([a, b], bits);
}

/**
 * Sum of all vectors modulo 2^bits, coordinate by coordinate. Order does not matter, and partial sums may be summed again.
 * Throws InvalidInputError for no vector at all (its length would be unknown) and for different lengths.
 */
export function sumModulo(vectors: readonly (Int32Array | Uint32Array)[], bits: number): Residues {
  requireBits(bits);
  const [first] = vectors;
  if (first === undefined) throw new InvalidInputError('a sum needs at least one vector, found none');
  const sum = new Uint32Array(first.length);
  for (const vector of vectors) {
    if (vector.length !== sum.length) {
      throw new InvalidInputError(
        `vectors of one sum must have one length, found ${String(sum.length)} and ${String(vector.length)}`,
      );
    }
    for (let i = 0; i < sum.length; i++) sum[i] = ((sum[i] as number) + (vector[i] as number)) & mask(bits);
  }
  return sum;
}

/**
 * Centred lift: of all integers with the residue, the one in [-2^(bits-1), 2^(bits-1)). Equals the true sum whenever that lies in this range,
 * which is what the derived width makes all but certain.
 */
export function toSigned(values: Int32Array | Uint32Array, bits: number): Int32Array<ArrayBuffer> {
  requireBits(bits);
  const unused = 32 - bits;
  return Int32Array.from(values, (value) => (value << unused) >> unused);
}

function mask(bits: number): number {
  return 2 ** bits - 1;
}
