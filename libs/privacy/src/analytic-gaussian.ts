import { InvalidInputError } from '@fedcarbon/kernel';
import { millsRatio, normalDensity, normalUpperTail } from './normal.ts';
import { leastArgument } from './root.ts';

/**
 * Smallest delta for which the continuous Gaussian mechanism is (epsilon, delta)-DP. `mu` = L2 sensitivity / sigma, for T compositions sqrt(T) times that.
 * Balle and Wang 2018, "Improving the Gaussian Mechanism for Differential Privacy", Theorem 8:
 * delta = P[N > epsilon/mu - mu/2] - e^epsilon P[N > epsilon/mu + mu/2]. Any real epsilon. Relative accuracy about 1e-15 max(1, epsilon/mu) / min(1, mu).
 */
export function analyticGaussianDelta(mu: number, epsilon: number): number {
  assertPositive('mu', mu);
  const a = epsilon / mu - mu / 2;
  const b = epsilon / mu + mu / 2;
  // e^epsilon density(b) = density(a): with it e^epsilon never overflows and both terms share their small factor.
  if (a >= 0) return normalDensity(a) * (millsRatio(a) - millsRatio(b));
  if (b >= 0) return normalUpperTail(a) - normalDensity(a) * millsRatio(b);
  return normalUpperTail(a) - Math.exp(epsilon) * normalUpperTail(b);
}

/** Smallest epsilon >= 0 for which the continuous Gaussian mechanism with `mu` is (epsilon, delta)-DP; `analyticGaussianDelta` of it is at most delta. */
export function analyticGaussianEpsilon(mu: number, delta: number): number {
  assertPositive('mu', mu);
  assertProbability('delta', delta);
  if (analyticGaussianDelta(mu, 0) <= delta) return 0;
  // A standard normal exceeds z with probability below delta, so this guess is near the root from above (Theorem 8 without its second term).
  const guess = mu * (mu / 2 + Math.sqrt(2 * Math.log(1 / delta)));
  return leastArgument((epsilon) => analyticGaussianDelta(mu, epsilon), delta, guess);
}

/** Largest mu for which the continuous Gaussian mechanism is (epsilon, delta)-DP. epsilon > 0. */
export function analyticGaussianMu(epsilon: number, delta: number): number {
  assertPositive('epsilon', epsilon);
  assertProbability('delta', delta);
  const guess = Math.sqrt(2 * Math.log(1 / delta) + 2 * epsilon) / epsilon;
  return 1 / leastArgument((sigma) => analyticGaussianDelta(1 / sigma, epsilon), delta, guess);
}

/** Throws InvalidInputError unless `value` is finite and positive. */
export function assertPositive(name: string, value: number): void {
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidInputError(`${name} must be a positive number, found ${value}`);
  }
}

/** Throws InvalidInputError unless 0 < `value` < 1. */
export function assertProbability(name: string, value: number): void {
  if (!(value > 0 && value < 1)) {
    throw new InvalidInputError(`${name} must be greater than 0 and less than 1, found ${value}`);
  }
}
