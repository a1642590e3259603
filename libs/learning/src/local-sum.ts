import { InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import { type EncodedStock, middleAndWidth, requireWeights, scores, weightIndices, type YRange } from './gam-shape.ts';

/** Clip R of the residual in units of the y-range. Chosen on means over the three public data sets, not per deployment. */
export const RESIDUAL_SCALE = 0.03;

/** Public constants of the local computation. */
export interface LocalSumParameters {
  readonly yRange: YRange;
  /** R, in units of the y-range's width; usually RESIDUAL_SCALE. */
  readonly residualScale: number;
}

/**
 * What one holder contributes to a round before noise: for each bin, the sum over its records of the clipped, stochastically rounded residual
 * k_i in {-1, 0, 1}, k_i = floor(clip(r_i / R, -1, 1) + u_i) with r_i the residual in units of the y-range and u_i uniform in [0, 1).
 * The rounding is unbiased, and k_i is about the sign of the residual: full-batch median regression.
 *
 * L2 sensitivity under adding or removing one record is exactly sqrt(d): the record adds k_i to d distinct coordinates, one bin of each feature, and
 * |k_i| <= 1. It is exact because these are integers, and it holds for any codes, targets and weights that are not refused.
 *
 * Draws are taken in record order, one of 53 bits per record (8 bytes of `random`), so that a holder without records draws nothing.
 * Coordinates are at most n in magnitude. Returns p integers; add noise before they leave the holder.
 * Throws InvalidInputError for a code that is not a bin, a target or weight that is not finite, lengths that do not fit, R <= 0 and lo >= hi.
 */
export function localSum(
  stock: EncodedStock,
  weights: Float64Array,
  { yRange, residualScale }: LocalSumParameters,
  random: RandomSource,
): Int32Array<ArrayBuffer> {
  const { shape, codes, y } = stock;
  const { d, p } = shape;
  requireWeights(weights, p, 'the weights');
  if (!(residualScale > 0 && Number.isFinite(residualScale))) {
    throw new InvalidInputError(`the residual scale must be positive, found ${String(residualScale)}`);
  }
  if (codes.length !== y.length * d) {
    throw new InvalidInputError(
      `${String(y.length)} records of ${String(d)} features need ${String(y.length * d)} codes, found ${String(codes.length)}`,
    );
  }
  const { middle, width } = middleAndWidth(yRange);
  const indices = weightIndices(shape, codes);
  const predicted = scores(weights, indices, d);
  const draws = uniformDraws(y.length, random);
  const sum = new Int32Array(p);
  for (let i = 0; i < y.length; i++) {
    const residual = (predicted[i] as number) - ((y[i] as number) - middle) / width;
    // The index alone: a message must not carry a holder's figure.
    if (!Number.isFinite(residual))
      throw new InvalidInputError(`the target of record ${String(i)} is not a finite number`);
    const k = clip(Math.floor(clip(residual / residualScale) + (draws[i] as number)));
    for (let a = 0; a < d; a++) {
      const bin = indices[i * d + a] as number;
      sum[bin] = (sum[bin] as number) + k;
    }
  }
  return sum;
}

/** The second clip is needed: 1 + (1 - 2^-53) rounds to 2. */
function clip(value: number): number {
  return Math.min(1, Math.max(-1, value));
}

/** `count` multiples of 2^-53, uniform in [0, 1): the upper 53 bits of 8 big-endian bytes each. */
function uniformDraws(count: number, random: RandomSource): Float64Array {
  const bytes = random.bytes(8 * count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const draws = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    draws[i] = (view.getUint32(8 * i) * 2 ** 21 + (view.getUint32(8 * i + 4) >>> 11)) / 2 ** 53;
  }
  return draws;
}
