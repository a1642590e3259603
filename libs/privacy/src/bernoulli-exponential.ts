import type { RandomIntegers } from './random-integers.ts';

/**
 * True with probability exactly exp(-numerator/denominator): Canonne, Kamath, Steinke 2020, Algorithm 1. Integers, 0 <= numerator < 2^53,
 * 0 < denominator < 2^53; no operation rounds.
 */
export function bernoulliExponential(integers: RandomIntegers, numerator: number, denominator: number): boolean {
  const remainder = numerator % denominator;
  for (let whole = (numerator - remainder) / denominator; whole > 0; whole--) {
    if (!atMostOne(integers, 1, 1)) return false;
  }
  return atMostOne(integers, remainder, denominator);
}

/** The same for numbers of any size. */
export function bernoulliExponentialBigInt(integers: RandomIntegers, numerator: bigint, denominator: bigint): boolean {
  for (let whole = numerator / denominator; whole > 0n; whole--) {
    if (!atMostOne(integers, 1, 1)) return false;
  }
  const remainder = numerator % denominator;
  let k = 1;
  while (integers.below(k) === 0 && integers.belowBigInt(denominator) < remainder) k++;
  return k % 2 === 1;
}

/**
 * exp(-g) for g = numerator/denominator in [0, 1]. The first failure of Bernoulli(g/1), Bernoulli(g/2), ... has an odd index with probability
 * 1 - g + g^2/2 - ... = exp(-g). Bernoulli(g/k) is drawn as Bernoulli(1/k) and Bernoulli(g), which keeps all integers small.
 */
function atMostOne(integers: RandomIntegers, numerator: number, denominator: number): boolean {
  let k = 1;
  while (integers.below(k) === 0 && integers.below(denominator) < numerator) k++;
  return k % 2 === 1;
}
