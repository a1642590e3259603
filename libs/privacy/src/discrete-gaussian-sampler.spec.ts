import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { bernoulliExponential, bernoulliExponentialBigInt } from './bernoulli-exponential.ts';
import { DiscreteGaussianSampler, sampleDiscreteGaussian } from './discrete-gaussian-sampler.ts';
import { sumPmf } from './discrete-gaussian-sum.ts';
import { RandomIntegers } from './random-integers.ts';

/** The AES-128-CTR key stream under a key that repeats `seed`: the same bytes in every run. */
function seeded(seed: number): RandomSource {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  return { bytes: (length) => cipher.update(Buffer.alloc(length)) };
}

/**
 * Exact probability that `run` is true when every `below(bound)` is uniform: walks the tree of all draws. Branches less likely than 1e-11 are left out and
 * returned as `missing`.
 */
function probabilityOfTrue(run: (integers: RandomIntegers) => boolean): { probability: number; missing: number } {
  let probability = 0;
  let missing = 0;
  const walk = (path: readonly number[], weight: number): void => {
    if (weight < 1e-11) {
      missing += weight;
      return;
    }
    let depth = 0;
    let open = 0;
    const below = (bound: number): number => {
      if (bound === 1) return 0;
      const known = path[depth++];
      if (known !== undefined) return known;
      open = bound;
      throw new RangeError('a draw beyond the path');
    };
    const scripted = {
      below,
      belowBigInt: (bound: bigint) => BigInt(below(Number(bound))),
    } as unknown as RandomIntegers;
    try {
      if (run(scripted)) probability += weight;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      for (let value = 0; value < open; value++) walk([...path, value], weight / open);
    }
  };
  walk([], 1);
  return { probability, missing };
}

describe('bernoulliExponential', () => {
  it.each([
    [0, 1],
    [1, 1],
    [1, 2],
    [2, 3],
    [7, 5],
    [9, 3],
    [5, 2],
  ])('is true with probability exp(-%d/%d), over all draws there are', (numerator, denominator) => {
    const paths = [
      (integers: RandomIntegers) => bernoulliExponential(integers, numerator, denominator),
      (integers: RandomIntegers) => bernoulliExponentialBigInt(integers, BigInt(numerator), BigInt(denominator)),
    ];
    for (const path of paths) {
      const { probability, missing } = probabilityOfTrue(path);
      expect(missing).toBeLessThan(1e-6);
      expect(Math.abs(probability - Math.exp(-numerator / denominator))).toBeLessThan(missing + 1e-14);
    }
  });

  it('draws the same from numbers and from big integers', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 400_000 }), fc.nat(255), (a, b, seed) => {
        const [numbers, bigints] = [new RandomIntegers(seeded(seed)), new RandomIntegers(seeded(seed))];
        for (let i = 0; i < 5; i++) {
          expect(bernoulliExponentialBigInt(bigints, BigInt(a), BigInt(b))).toBe(bernoulliExponential(numbers, a, b));
        }
      }),
    );
  });

  it.each([
    [3e15, 7e15],
    [8e15, 5e15],
  ])('has the frequency of exp(-%d/%d)', (numerator, denominator) => {
    // Seed 3, n = 100 000; 4.5 sd, false-alarm rate 7e-6.
    const integers = new RandomIntegers(seeded(3));
    const n = 100_000;
    let [numbers, bigints] = [0, 0];
    for (let i = 0; i < n; i++) {
      if (bernoulliExponential(integers, numerator, denominator)) numbers++;
      if (bernoulliExponentialBigInt(integers, BigInt(numerator), BigInt(denominator))) bigints++;
    }
    const p = Math.exp(-numerator / denominator);
    for (const count of [numbers, bigints]) {
      expect(Math.abs(count - n * p)).toBeLessThan(4.5 * Math.sqrt(n * p * (1 - p)));
    }
  });
});

describe('RandomIntegers', () => {
  const scripted = (...words: number[]) => new RandomIntegers({ bytes: (length) => new Uint8Array(Uint32Array.from({ length: length / 4 }, (_, i) => words[i % words.length] ?? 0).buffer) }); // prettier-ignore

  it('takes the top bits and rejects the rest: all eight patterns of three bits give each of 0..4 once', () => {
    const integers = scripted(...[7, 0, 5, 1, 2, 6, 3, 4].map((bits) => bits * 2 ** 29));
    expect(Array.from({ length: 5 }, () => integers.below(5))).toEqual([0, 1, 2, 3, 4]);
    expect(scripted(...[7, 0, 5, 1].map((bits) => bits * 2 ** 29)).belowBigInt(5n)).toBe(0n);
  });

  it('joins two words above 2^32', () => {
    expect(scripted(2 ** 31, 7).below(2 ** 33)).toBe(2 ** 32 + 7);
    expect(scripted(2 ** 32 - 1).below(2 ** 53)).toBe(2 ** 53 - 1);
    expect(scripted(2 ** 32 - 1).below(2 ** 32)).toBe(2 ** 32 - 1);
  });

  it('stays below its bound', () => {
    const integers = new RandomIntegers(seeded(5));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 53 - 1 }), (bound) => {
        for (const value of [integers.below(bound), Number(integers.belowBigInt(BigInt(bound)))]) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThan(bound);
        }
      }),
    );
  });
});

describe('DiscreteGaussianSampler', () => {
  // Pearson's chi-square against the exact pmf, cells pooled to at least 20 expected. Seed = case number, n = 200 000 (20 000 for sigma 1000, where some
  // draws need big integers). Limit: 4.3 sd of Wilson and Hilferty's normal approximation, false-alarm rate 9e-6 per case.
  it.each([
    [1, 0.25, 200_000],
    [2, 1, 200_000],
    [3, 53.296875, 200_000],
    [4, 3600, 200_000],
    [5, 0.015625, 200_000],
    [6, 1e6, 20_000],
  ])('case %d: sigma^2 %d has the exact distribution', (seed, sigmaSquared, n) => {
    const samples = new Int32Array(n);
    new DiscreteGaussianSampler(sigmaSquared, seeded(seed)).fill(samples);
    const { probability, radius } = sumPmf({ sigmaSquared, unitShifts: 1 });
    const counts = new Float64Array(probability.length);
    for (const sample of samples) counts[sample + radius] = (counts[sample + radius] ?? NaN) + 1;

    let [chiSquare, cells, observed, expected] = [0, 0, 0, 0];
    probability.forEach((p, i) => {
      observed += counts[i] ?? 0;
      expected += n * p;
      if (expected >= 20 || i === probability.length - 1) {
        chiSquare += (observed - expected) ** 2 / Math.max(expected, 1e-9);
        cells++;
        [observed, expected] = [0, 0];
      }
    });
    const freedom = Math.max(1, cells - 1);
    const spread = 2 / (9 * freedom);
    expect(((chiSquare / freedom) ** (1 / 3) - (1 - spread)) / Math.sqrt(spread)).toBeLessThan(4.3);
  });

  it('is symmetric and has no memory between neighbours', () => {
    // Seed 9, n = 100 000 samples of variance 100; mean and lag-1 product within 4.5 sd, false-alarm rate 1.4e-5.
    const n = 100_000;
    const samples = new Int32Array(n);
    new DiscreteGaussianSampler(100, seeded(9)).fill(samples);
    let [sum, product] = [0, 0];
    samples.forEach((x, i) => {
      sum += x;
      product += x * (samples[i - 1] ?? 0);
    });
    expect(Math.abs(sum)).toBeLessThan(4.5 * Math.sqrt(100 * n));
    expect(Math.abs(product)).toBeLessThan(4.5 * 100 * Math.sqrt(n));
  });

  it('draws single samples of the same stream', () => {
    const many = new Int32Array(3);
    const sampler = new DiscreteGaussianSampler(30, seeded(11));
    sampler.fill(many);
    expect(sampleDiscreteGaussian(30, seeded(11))).toBe(many[0]);
  });

  it.each([0, -1, 1.01, NaN])('refuses the variance %d', (sigmaSquared) => {
    expect(() => new DiscreteGaussianSampler(sigmaSquared, seeded(1))).toThrow(InvalidInputError);
  });
});
