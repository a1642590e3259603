import { InvalidInputError } from '@fedcarbon/kernel';

/** Codes are stored in 16 bits. */
const MAX_BINS_PER_FEATURE = 65536;

/** Public shape of an additive model: one weight per bin of each feature, laid out feature after feature. */
export interface GamShape {
  readonly binsPerFeature: readonly number[];
  /** Index of each feature's first weight; length d. */
  readonly offsets: readonly number[];
  /** Number of weights: all bins of all features. */
  readonly p: number;
  /** Number of features. */
  readonly d: number;
}

/** Building records of one holder as public bin indices and targets. */
export interface EncodedStock {
  readonly shape: GamShape;
  /** n x d bin indices, row-major: the code of record i and feature a is `codes[i * d + a]`, in [0, binsPerFeature[a]). */
  readonly codes: Uint16Array;
  /** n targets, in the unit of the y-range. */
  readonly y: Float64Array;
}

/** Public range [lo, hi] of the target, in its unit. Targets outside are allowed; predictions never leave it. */
export type YRange = readonly [lo: number, hi: number];

/** The layout of an additive model. Throws InvalidInputError unless every feature has 1 to 65536 bins and there is at least one feature. */
export function gamShape(binsPerFeature: readonly number[]): GamShape {
  if (binsPerFeature.length === 0)
    throw new InvalidInputError('an additive model needs at least one feature, found none');
  const offsets: number[] = [];
  let p = 0;
  binsPerFeature.forEach((bins, feature) => {
    if (!Number.isInteger(bins) || bins < 1 || bins > MAX_BINS_PER_FEATURE) {
      throw new InvalidInputError(
        `feature ${String(feature)} must have 1 to ${String(MAX_BINS_PER_FEATURE)} bins, found ${String(bins)}`,
      );
    }
    offsets.push(p);
    p += bins;
  });
  return { binsPerFeature: [...binsPerFeature], offsets, p, d: binsPerFeature.length };
}

/**
 * Indices of the weights that each record uses, n x d, row-major.
 * Throws InvalidInputError when a code is not a bin of its feature: it would count in another feature's bin, and the sensitivity would no longer be sqrt(d).
 */
export function weightIndices(shape: GamShape, codes: Uint16Array): Uint32Array<ArrayBuffer> {
  const { d, offsets, binsPerFeature } = shape;
  if (codes.length % d !== 0) {
    throw new InvalidInputError(`codes must hold ${String(d)} per record, found ${String(codes.length)} in all`);
  }
  const indices = new Uint32Array(codes.length);
  for (let start = 0; start < codes.length; start += d) {
    for (let a = 0; a < d; a++) {
      const code = codes[start + a] as number;
      if (code >= (binsPerFeature[a] as number)) {
        throw new InvalidInputError(
          `record ${String(start / d)} has code ${String(code)} for feature ${String(a)}, which has ${String(binsPerFeature[a])} bins`,
        );
      }
      indices[start + a] = (offsets[a] as number) + code;
    }
  }
  return indices;
}

/** Middle and width of a y-range. Throws InvalidInputError unless lo < hi and both are finite. */
export function middleAndWidth([lo, hi]: YRange): { middle: number; width: number } {
  if (!(Number.isFinite(lo) && Number.isFinite(hi) && lo < hi)) {
    throw new InvalidInputError(`a y-range needs finite lo < hi, found [${String(lo)}, ${String(hi)}]`);
  }
  return { middle: (lo + hi) / 2, width: hi - lo };
}

/** Sum of the d weights of each record; the prediction in units of the y-range, counted from its middle. */
export function scores(weights: Float64Array, indices: Uint32Array, d: number): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(indices.length / d);
  for (let i = 0; i < sums.length; i++) {
    let sum = 0;
    for (let a = 0; a < d; a++) sum += weights[indices[i * d + a] as number] as number;
    sums[i] = sum;
  }
  return sums;
}

/** Throws InvalidInputError unless `vector` holds p finite numbers. `what` names it in the message. */
export function requireWeights(vector: ArrayLike<number>, p: number, what: string): void {
  if (vector.length !== p) {
    throw new InvalidInputError(`${what} must hold ${String(p)} numbers, found ${String(vector.length)}`);
  }
  for (let j = 0; j < p; j++) {
    if (!Number.isFinite(vector[j])) {
      throw new InvalidInputError(`${what} must be finite, found ${String(vector[j])} at index ${String(j)}`);
    }
  }
}
