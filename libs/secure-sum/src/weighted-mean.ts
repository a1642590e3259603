import { InvalidInputError } from '@fedcarbon/kernel';

/** Fixed point of attention weights, the same for all clients; from the plan. */
export interface WeightScale {
  /** Weight of a client of score 0, a positive integer. */
  readonly unit: number;
  /** B: scores are clipped to [-B, B]. One record's share of a vector, and so the sensitivity, grows by `maxWeight`. */
  readonly maxScore: number;
}

/** round(unit * e^B): what the largest weight multiplies the L2 sensitivity of a vector by. */
export function maxWeight({ unit, maxScore }: WeightScale): number {
  return weightOf(maxScore, { unit, maxScore });
}

/** Integer weight of a score: round(unit * e^score), the score clipped first. */
export function weightOf(score: number, { unit, maxScore }: WeightScale): number {
  if (!Number.isSafeInteger(unit) || unit < 1 || !(maxScore >= 0)) {
    throw new InvalidInputError(
      `weights need a unit of at least 1 and a bound of at least 0, found ${unit}, ${maxScore}`,
    );
  }
  if (Number.isNaN(score)) throw new InvalidInputError('a score must be a number, found NaN');
  const weight = Math.round(unit * Math.exp(Math.min(maxScore, Math.max(-maxScore, score))));
  if (weight < 1) throw new InvalidInputError(`a unit of ${unit} is too small for scores down to -${maxScore}`);
  return weight;
}

/**
 * Attention under masking: [w * values, w], one integer more than the values, with w = `weightOf(score)`. Secure sums of these give the softmax-weighted
 * mean by `decodeWeightedMean`, and no single weight shows. The score MUST be a function of public facts only (region, size class, what was released
 * before): a score that depends on private records makes a record's influence that of the whole vector. Noise goes on the values, at `maxWeight` times
 * the sensitivity; the weight needs none. Throws InvalidInputError when a product leaves 32 bits.
 */
export function encodeWeighted(values: Int32Array, score: number, scale: WeightScale): Int32Array<ArrayBuffer> {
  const weight = weightOf(score, scale);
  const weighted = new Int32Array(values.length + 1);
  values.forEach((value, i) => {
    const product = value * weight;
    if (Math.abs(product) > 0x7fffffff) {
      throw new InvalidInputError(`${value} times the weight ${weight} does not fit 32 bits; use a smaller unit`);
    }
    weighted[i] = product;
  });
  weighted[values.length] = weight;
  return weighted;
}

/**
 * The weighted mean of which `sum` is the (lifted) sum of encodings: sum of w v / sum of w, exact for the integer weights. A weight differs from
 * unit * e^score by half a unit at most. Throws InvalidInputError when the sum of weights is not positive, as it is after a wrap modulo 2^bits.
 */
export function decodeWeightedMean(sum: Int32Array): Float64Array {
  const total = sum.at(-1) ?? 0;
  if (total <= 0) throw new InvalidInputError(`the sum of weights must be positive, found ${total}; use more bits`);
  return Float64Array.from(sum.subarray(0, -1), (value) => value / total);
}
