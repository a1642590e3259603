import { InvalidInputError } from '@fedcarbon/kernel';
import type { ShiftGroup } from './event.ts';

// Looked up once: `Math` in an inner loop is slow where globals are intercepted, as in test sandboxes.
const { exp } = Math;

/** Probability below which a tail of a sum is not represented but added to delta. */
export const TAIL_PROBABILITY = 1e-30;
/** Relative rounding error of one floating-point operation. */
export const UNIT_ROUNDOFF = 2 ** -53;

/** From this variance on, a sum of discrete Gaussians is a discrete Gaussian to below double precision (`mergeError`). */
const CLOSED_FORM_VARIANCE = 4;
const CONVOLUTION_LIMIT = 1e5;

/** Probabilities of X = sum of m independent N_Z(0, sigma^2), for |X| <= radius. */
export interface SumPmf {
  /** P[X = x] at index x + radius. Symmetric. */
  readonly probability: Float64Array;
  readonly radius: number;
  /** No true probability exceeds the stated one by more than this factor minus one: rounding, and the merging of summands. */
  readonly relativeError: number;
  /** At least P[|X| > radius], together with all that was cut off on the way. */
  readonly tail: number;
}

/**
 * Radius that all but 2e-30 of the sum stays within. N_Z(0, sigma^2) is sigma^2-subgaussian (Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for
 * Differential Privacy"): completing the square, E[e^(tX)] is e^(t^2 sigma^2 / 2) times the Gaussian weights of the integers around t sigma^2 over those
 * around 0, and the latter are largest. Hence P[X >= x] <= exp(-x^2 / (2 m sigma^2)).
 */
export function radiusOf(group: ShiftGroup): number {
  return Math.ceil(Math.sqrt(2 * Math.log(1 / TAIL_PROBABILITY) * group.unitShifts * group.sigmaSquared));
}

/**
 * Distribution of the sum of `unitShifts` independent N_Z(0, sigmaSquared).
 * Throws InvalidInputError for more than 100 000 unit shifts under noise of variance below 4: no budget in use could ever cover them.
 */
export function sumPmf(group: ShiftGroup): SumPmf {
  return group.unitShifts === 1 || group.sigmaSquared >= CLOSED_FORM_VARIANCE
    ? closedForm(group)
    : convolutionPower(group);
}

/** N_Z(0, m sigma^2), with the factor by which the true sum can exceed it. */
function closedForm(group: ShiftGroup): SumPmf {
  const radius = radiusOf(group);
  const variance = group.unitShifts * group.sigmaSquared;
  const probability = new Float64Array(2 * radius + 1);
  let total = 0;
  for (let x = radius; x > 0; x--) {
    const weight = exp((-x * x) / (2 * variance));
    probability[radius + x] = probability[radius - x] = weight;
    total += 2 * weight;
  }
  probability[radius] = 1;
  total += 1;
  for (let i = 0; i < probability.length; i++) probability[i] = (probability[i] ?? 0) / total;
  // exp of a rounded argument of at most 70, and a sum of `radius` positive terms.
  const rounding = (radius + 150) * UNIT_ROUNDOFF;
  return { probability, radius, relativeError: rounding + mergeError(group), tail: 2 * TAIL_PROBABILITY };
}

/**
 * How far, relatively, the sum of m N_Z(0, s) can exceed N_Z(0, m s) at any point. By completing the square, N_Z(0, a) + N_Z(0, b) at x is
 * exp(-x^2 / (2 (a + b))) times a sum over the integers of a Gaussian of variance t = a b / (a + b) around a shifted centre; Poisson summation puts that
 * sum within 1 +- 2 e^(-2 pi^2 t) (1 + ...) of a constant. Adding summands one by one, a = k s and b = s give t = s k / (k + 1) (the argument of Kairouz,
 * Liu, Steinke 2021, "The Distributed Discrete Gaussian Mechanism"). Pmf and normaliser both vary, so a merge costs (1 + d)/(1 - d) <= 1 + 5 e^(-2 pi^2 t);
 * here k = 1, and every later merge taken as k = 2.
 */
function mergeError({ unitShifts, sigmaSquared }: ShiftGroup): number {
  if (unitShifts === 1) return 0;
  const rate = 2 * Math.PI ** 2 * sigmaSquared;
  return 5 * (exp(-rate / 2) + (unitShifts - 2) * exp((-rate * 2) / 3));
}

/** m-fold convolution of N_Z(0, sigma^2) by binary powers; only positive numbers are added, so relative errors stay relative. */
function convolutionPower(group: ShiftGroup): SumPmf {
  const { sigmaSquared, unitShifts } = group;
  if (unitShifts > CONVOLUTION_LIMIT) {
    throw new InvalidInputError(
      `${unitShifts} unit shifts under noise of variance ${sigmaSquared} exceed every budget; use more noise or fewer steps`,
    );
  }
  const square = closedForm({ sigmaSquared, unitShifts: 1 });
  let result = square.probability;
  let summands = 1;
  // Binary expansion of m from its second highest digit: double, then add one where the digit is 1.
  for (const digit of unitShifts.toString(2).slice(1)) {
    summands *= 2;
    result = trim(convolve(result, result), radiusOf({ sigmaSquared, unitShifts: summands }));
    if (digit === '1') {
      summands += 1;
      result = trim(convolve(result, square.probability), radiusOf({ sigmaSquared, unitShifts: summands }));
    }
  }
  const radius = (result.length - 1) / 2;
  // Each summand brings its own error, each doubling that of sums of 2 radius + 1 products.
  const relativeError = unitShifts * (square.relativeError + 100 * UNIT_ROUNDOFF) + 8 * radius * UNIT_ROUNDOFF;
  // Every cut drops at most 2e-30 of mass; what a sum loses, its double loses twice: at most 4 m cuts in effect.
  return { probability: result, radius, relativeError, tail: 8 * unitShifts * TAIL_PROBABILITY };
}

/** Distribution of the sum of two independent lattice variables; index 0 of the result belongs to the sum of the two lowest values. */
export function convolve(a: Float64Array, b: Float64Array): Float64Array {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const sum = new Float64Array(long.length + short.length - 1);
  for (let i = 0; i < short.length; i++) {
    const weight = short[i] ?? 0;
    if (weight === 0) continue;
    for (let j = 0; j < long.length; j++) sum[i + j] = (sum[i + j] ?? 0) + weight * (long[j] ?? 0);
  }
  return sum;
}

function trim(symmetric: Float64Array, radius: number): Float64Array {
  const excess = Math.max(0, (symmetric.length - 1) / 2 - radius);
  return symmetric.subarray(excess, symmetric.length - excess);
}
