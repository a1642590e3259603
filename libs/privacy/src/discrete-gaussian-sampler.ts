import type { RandomSource } from '@fedcarbon/kernel';
import { bernoulliExponential, bernoulliExponentialBigInt } from './bernoulli-exponential.ts';
import { assertSigmaSquared, SIGMA_SQUARED_DENOMINATOR } from './event.ts';
import { RandomIntegers } from './random-integers.ts';

/**
 * Exact samples of the discrete Gaussian N_Z(0, sigmaSquared), P[x] proportional to exp(-x^2 / (2 sigmaSquared)): Canonne, Kamath, Steinke 2020,
 * "The Discrete Gaussian for Differential Privacy", Algorithms 1 to 3. Integer arithmetic throughout, so the accountant's distribution is the one drawn;
 * the quality of the noise is that of `random`, which must be a CSPRNG outside tests. Running time depends on the value drawn: do not let a party who
 * must not learn the noise time single samples.
 */
export class DiscreteGaussianSampler {
  readonly sigmaSquared: number;
  readonly #integers: RandomIntegers;
  /** sigmaSquared = #k / 64. */
  readonly #k: number;
  /** Scale of the discrete Laplace proposal. Any positive integer is correct; floor(sigma) + 1 is fast. */
  readonly #scale: number;
  readonly #denominator: number;

  /** Throws InvalidInputError unless `sigmaSquared` is a positive multiple of 1/64. */
  constructor(sigmaSquared: number, random: RandomSource) {
    assertSigmaSquared(sigmaSquared);
    this.sigmaSquared = sigmaSquared;
    this.#integers = new RandomIntegers(random);
    this.#k = sigmaSquared * SIGMA_SQUARED_DENOMINATOR;
    this.#scale = Math.floor(Math.sqrt(sigmaSquared)) + 1;
    this.#denominator = 2 * SIGMA_SQUARED_DENOMINATOR * this.#k * this.#scale ** 2;
  }

  /** One sample. */
  sample(): number {
    for (;;) {
      const proposal = this.#discreteLaplace();
      if (this.#accept(proposal < 0 ? -proposal : proposal)) return proposal;
    }
  }

  /** Fills `target` with independent samples. A sample beyond 32 bits wraps around: that costs accuracy, never privacy. */
  fill(target: Int32Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.sample();
  }

  /** P[x] proportional to exp(-|x| / scale): Algorithm 2 with s = 1. */
  #discreteLaplace(): number {
    const integers = this.#integers;
    const scale = this.#scale;
    for (;;) {
      const low = integers.below(scale);
      if (!bernoulliExponential(integers, low, scale)) continue;
      let high = 0;
      while (bernoulliExponential(integers, 1, 1)) high++;
      const magnitude = low + scale * high;
      const negative = integers.below(2) === 1;
      if (negative && magnitude === 0) continue;
      return negative ? -magnitude : magnitude;
    }
  }

  /** Algorithm 3: accept with probability exp(-(y - sigma^2/t)^2 / (2 sigma^2)), t the scale; with sigma^2 = k/64 that is (64 y t - k)^2 / (128 k t^2). */
  #accept(magnitude: number): boolean {
    const distance = SIGMA_SQUARED_DENOMINATOR * magnitude * this.#scale - this.#k;
    const numerator = distance * distance;
    // Integers whose rounded product stays below 2^53 were multiplied exactly.
    if (numerator < 2 ** 53 && this.#denominator < 2 ** 53) {
      return bernoulliExponential(this.#integers, numerator, this.#denominator);
    }
    const [k, t, y] = [BigInt(this.#k), BigInt(this.#scale), BigInt(magnitude)];
    return bernoulliExponentialBigInt(this.#integers, (64n * y * t - k) ** 2n, 128n * k * t * t);
  }
}

/** One exact sample of N_Z(0, sigmaSquared). For many samples of one variance keep a `DiscreteGaussianSampler`. */
export function sampleDiscreteGaussian(sigmaSquared: number, random: RandomSource): number {
  return new DiscreteGaussianSampler(sigmaSquared, random).sample();
}
