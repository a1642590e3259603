import { describe, expect, it } from '@jest/globals';
import { deltaOfNoiseShares, sumOfDiscreteGaussiansTau } from './index.ts';

/** Probabilities of N_Z(0, variance) at -radius .. radius. */
function discreteGaussian(variance: number, radius: number): number[] {
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * variance)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function convolve(a: readonly number[], b: readonly number[]): number[] {
  const sum = new Array<number>(a.length + b.length - 1).fill(0);
  a.forEach((x, i) => {
    b.forEach((y, j) => {
      sum[i + j] = sum[i + j]! + x * y;
    });
  });
  return sum;
}

/** Largest log ratio within ten standard deviations, and total variation, between the sum of shares and the one discrete Gaussian. */
function distance(variance: number, shares: number): { logRatio: number; totalVariation: number } {
  const radius = Math.ceil(30 * Math.sqrt(variance)) + 5;
  const share = discreteGaussian(variance, radius);
  let sum = share;
  for (let k = 1; k < shares; k++) sum = convolve(sum, share);
  const centre = (sum.length - 1) / 2;
  const single = discreteGaussian(shares * variance, centre);
  const near = Math.floor(10 * Math.sqrt(shares * variance));
  let logRatio = 0;
  let totalVariation = 0;
  sum.forEach((p, i) => {
    const q = single[i]!;
    totalVariation += Math.abs(p - q) / 2;
    if (Math.abs(i - centre) <= near) logRatio = Math.max(logRatio, Math.abs(Math.log(p / q)));
  });
  return { logRatio, totalVariation };
}

describe('the sum of discrete Gaussians', () => {
  // From here on the distance drowns in rounding; below, it shows.
  it.each([
    [0.25, 2],
    [0.25, 5],
    [0.5, 2],
    [0.5, 14],
    [0.75, 3],
    [1, 2],
    [1, 6],
    [1.25, 2],
  ])('of variance %d, %d shares: brute-force convolution stays within tau', (sigmaSquaredPerShare, shares) => {
    const tau = sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare, shares });
    const { logRatio, totalVariation } = distance(sigmaSquaredPerShare, shares);
    expect(logRatio).toBeLessThanOrEqual(tau / 2);
    expect(totalVariation).toBeLessThanOrEqual(Math.tanh(tau / 4));
  });

  it.each([0.25, 0.5, 1])(
    'for two shares of variance %d the bound is within a factor of five of the truth',
    (variance) => {
      const { logRatio } = distance(variance, 2);
      expect(logRatio).toBeGreaterThan(
        sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: variance, shares: 2 }) / 2 / 5,
      );
    },
  );

  it('is the formula of the paper', () => {
    const rate = 2 * Math.PI ** 2 * 0.5;
    const tau = 10 * (Math.exp(-rate / 2) + Math.exp((-2 * rate) / 3) + Math.exp((-3 * rate) / 4));
    expect(sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: 0.5, shares: 4 })).toBeCloseTo(tau, 9);
    expect(sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: 0.5, shares: 1 })).toBe(0);
  });

  it('costs nothing that matters at the sizes in use, and everything below a variance of one', () => {
    // sigma 37 for 14 of 20, 25 rounds of 6 unit shifts at epsilon 1.
    const inUse = sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: 37 ** 2 / 14, shares: 20 });
    expect(deltaOfNoiseShares({ tau: inUse, unitShifts: 150, epsilon: 1 })).toBeLessThan(1e-300);
    const small = sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: 1, shares: 20 });
    expect(deltaOfNoiseShares({ tau: small, unitShifts: 150, epsilon: 1 })).toBeGreaterThan(1e-5);
  });

  it('bounds the hockey-stick divergence of the true noise by that of one discrete Gaussian and the added delta', () => {
    const [variance, shares, epsilon] = [0.75, 3, 0.8];
    const radius = 40;
    const share = discreteGaussian(variance, radius);
    const truth = convolve(convolve(share, share), share);
    const model = discreteGaussian(shares * variance, 3 * radius);
    const delta = (noise: readonly number[]) =>
      noise.reduce((sum, p, i) => sum + Math.max(0, p - Math.exp(epsilon) * (noise[i - 1] ?? 0)), 0);
    const tau = sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: variance, shares });
    const added = deltaOfNoiseShares({ tau, unitShifts: 1, epsilon });
    expect(delta(truth)).not.toBe(delta(model));
    expect(delta(truth)).toBeLessThanOrEqual(delta(model) + added);
  });

  it('refuses variances below 1/4 and no shares', () => {
    for (const sigmaSquaredPerShare of [0, 0.24, NaN]) {
      expect(() => sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare, shares: 2 })).toThrow(/at least 1\/4/);
    }
    for (const shares of [0, 1.5]) {
      expect(() => sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: 1, shares })).toThrow(/positive integer/);
    }
  });
});
