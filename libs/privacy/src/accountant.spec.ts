import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { createAccountant, deltaOf, epsilonOf } from './accountant.ts';
import { analyticGaussianEpsilon, analyticGaussianMu } from './analytic-gaussian.ts';
import { type MechanismEvent, muSquaredOf } from './event.ts';

const event = (sigmaSquared: number, sensitivitySquared: number, steps = 1): MechanismEvent => ({
  kind: 'discreteGaussian',
  sigmaSquared,
  sensitivitySquared,
  steps,
});

/** P[N_Z(0, s) = x] for |x| <= 12 sd + 3, straight from the definition. */
function naivePmf(s: number): Map<number, number> {
  const weights = new Map<number, number>();
  const radius = Math.ceil(12 * Math.sqrt(s)) + 3;
  for (let x = -radius; x <= radius; x++) weights.set(x, Math.exp((-x * x) / (2 * s)));
  const total = [...weights.values()].reduce((a, b) => a + b, 0);
  return new Map([...weights].map(([x, w]) => [x, w / total]));
}

/** P and Q of the sum over m unit shifts, one convolution after the other, and no other knowledge. */
function naivePair(s: number, m: number): [p: number, q: number][] {
  const single = naivePmf(s);
  let sum = new Map([[0, 1]]);
  for (let i = 0; i < m; i++) {
    const next = new Map<number, number>();
    for (const [x, p] of sum) for (const [y, r] of single) next.set(x + y, (next.get(x + y) ?? 0) + p * r);
    sum = next;
  }
  return [...sum].map(([x, p]) => [p, sum.get(x - m) ?? 0]);
}

/** Hockey-stick divergence of the product of the groups' pairs, by nested loops over outcomes. */
function naiveDelta(groups: readonly [s: number, m: number][], epsilon: number): number {
  const pairs = groups.map(([s, m]) => naivePair(s, m));
  const loop = (depth: number, p: number, q: number): number => {
    const pair = pairs[depth];
    if (!pair) return Math.max(0, p - Math.exp(epsilon) * q);
    return pair.reduce((sum, [a, b]) => sum + loop(depth + 1, p * a, q * b), 0);
  };
  return loop(0, 1, 1);
}

describe('exact lattice', () => {
  // delta(epsilon) of one group of m unit shifts, mpmath 1.3.0 at 40 digits: the pmf by a discrete Fourier sum of the characteristic function.
  it.each([
    [0.359375, 3, 5, 0.26511572464766725],
    [0.359375, 3, 15, 6.1792001001591953e-5],
    [1, 4, 2, 0.31534824075325927],
    [1, 4, 8.5, 0.00023178460494726344],
    [9, 10, 0.5, 0.26018594528114268],
    [9, 10, 4.25, 4.8257999903206076e-5],
    [2500, 162, 0.05, 0.080227511054815645],
    [2500, 162, 0.9448867644266085, 9.9999999999485103e-6],
  ])('sigma^2 %d, %d unit shifts, epsilon %d', (sigmaSquared, shifts, epsilon, truth) => {
    const result = deltaOf([event(sigmaSquared, shifts)], epsilon);
    expect(result.method).toBe('exact-lattice');
    expect(Math.abs(result.delta / truth - 1)).toBeLessThan(1e-11);
    expect(result.delta).toBeGreaterThanOrEqual(truth * (1 - 1e-15));
  });

  it('is the divergence of two shifted coordinates, summed over all outcomes', () => {
    for (const [s, epsilon] of [
      [0.75, 1],
      [2, 0.3],
      [7.3125, 1.1],
    ] as const) {
      // prettier-ignore
      const pmf = naivePmf(s);
      let truth = 0;
      for (const [x, p] of pmf) {
        for (const [y, r] of pmf) {
          truth += Math.max(0, p * r - Math.exp(epsilon) * (pmf.get(x - 1) ?? 0) * (pmf.get(y - 1) ?? 0));
        }
      }
      expect(Math.abs(deltaOf([event(s, 2)], epsilon).delta / truth - 1)).toBeLessThan(1e-11);
    }
  });

  const sigmaSquared = fc.integer({ min: 12, max: 64 * 30 }).map((k) => k / 64);
  const group = fc.tuple(sigmaSquared, fc.integer({ min: 1, max: 6 }));
  const epsilon = fc.double({ min: 0, max: 4, noNaN: true });

  it('agrees with brute force on one and two groups', () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 2 }), epsilon, (groups, at) => {
        const truth = naiveDelta(groups, at);
        const { delta } = deltaOf(
          groups.map(([s, m]) => event(s, m)),
          at,
        );
        // Brute force itself subtracts nearly equal numbers: 1e-14 absolute is its own error.
        expect(delta).toBeGreaterThanOrEqual(truth - 1e-14);
        expect(delta).toBeLessThanOrEqual(truth * (1 + 1e-10) + 1e-14);
      }),
      { seed: 7, numRuns: 40 },
    );
  });

  it('is never below brute force on three groups, and close', () => {
    const small = fc.tuple(fc.integer({ min: 16, max: 64 * 4 }).map((k) => k / 64), fc.integer({ min: 1, max: 3 })); // prettier-ignore
    fc.assert(
      fc.property(fc.array(small, { minLength: 3, maxLength: 3 }), epsilon, (groups, at) => {
        const truth = naiveDelta(groups, at);
        const result = deltaOf(
          groups.map(([s, m]) => event(s, m)),
          at,
        );
        expect(result.delta).toBeGreaterThanOrEqual(truth - 1e-14);
        expect(result.delta).toBeLessThanOrEqual(truth * 1.005 + 1e-14);
        const corrected = result.corrections.reduce((sum, { delta = 0 }) => sum + delta, 0);
        expect(result.delta - corrected).toBeLessThanOrEqual(truth + 1e-14);
      }),
      { seed: 8, numRuns: 12 },
    );
  });
});

describe('epsilonOf', () => {
  it('is zero for no events, and where delta alone suffices', () => {
    expect(epsilonOf([], 1e-5)).toEqual({ epsilon: 0, method: 'exact-lattice', corrections: [] });
    expect(epsilonOf([event(1e6, 1)], 1e-2).epsilon).toBe(0);
  });

  it('is the least epsilon that reaches delta', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 23, max: 64 * 400 }), fc.integer({ min: 1, max: 300 })), { minLength: 1, maxLength: 3 }), // prettier-ignore
        fc.integer({ min: 2, max: 12 }),
        (pairs, digits) => {
          const events = pairs.map(([k, shifts]) => event(k / 64, shifts));
          const delta = 10 ** -digits;
          const { epsilon } = epsilonOf(events, delta);
          expect(deltaOf(events, epsilon).delta).toBeLessThanOrEqual(delta);
          expect(epsilon === 0 || deltaOf(events, epsilon * (1 - 1e-9)).delta > delta).toBe(true);
        },
      ),
      { seed: 9, numRuns: 60 },
    );
  });

  it('follows the continuous Gaussian within one lattice step', () => {
    for (const shifts of [96, 400, 600]) {
      const sigmaSquared = Math.ceil((64 * shifts) / analyticGaussianMu(1, 1e-5) ** 2) / 64;
      const { epsilon } = epsilonOf([event(sigmaSquared, shifts)], 1e-5);
      const gaussian = analyticGaussianEpsilon(Math.sqrt(shifts / sigmaSquared), 1e-5);
      expect(Math.abs(epsilon - gaussian)).toBeLessThan(1 / sigmaSquared);
      // The discreteness itself is far smaller than a step: measured 4e-7 at most.
      expect(Math.abs(epsilon / gaussian - 1)).toBeLessThan(1e-6);
    }
  });

  it('bounds lattices too fine to tabulate by a Gaussian, and names what that adds', () => {
    const events = [event(1e7, 1000, 1000), event(289, 4)];
    const result = epsilonOf(events, 1e-5);
    const gaussian = analyticGaussianEpsilon(Math.sqrt(muSquaredOf(events)), 1e-5);
    expect(result.method).toBe('upper-bound');
    expect(result.corrections.find(({ name }) => name === 'gaussian bound')?.epsilon).toBe(5e-8);
    expect(result.epsilon).toBeGreaterThan(gaussian);
    expect(result.epsilon).toBeLessThan(gaussian * (1 + 1e-6));
  });

  it('does not depend on order or grouping', () => {
    const whole = [event(100, 6, 10), event(20, 2, 3), event(50, 1)];
    const split = [event(20, 1, 2), event(50, 1), event(100, 12, 4), event(100, 12), event(20, 4)];
    expect(epsilonOf(split, 1e-6)).toEqual(epsilonOf(whole, 1e-6));
  });

  it('grows with steps, with sensitivity, with less noise and with smaller delta', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 64, max: 64 * 900 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 10 }),
        fc.array(fc.constantFrom(event(30, 2), event(77, 5)), { maxLength: 2 }),
        (k, sensitivitySquared, steps, others) => {
          const cost = (e: MechanismEvent, delta = 1e-5) => epsilonOf([...others, e], delta).epsilon;
          const base = cost(event(k / 64, sensitivitySquared, steps));
          // Grid steps depend on the composition, so bounds of three groups compare within the grid's own error.
          const slack = others.length > 0 ? 1e-3 : 1e-12;
          expect(cost(event(k / 64, sensitivitySquared, steps + 1))).toBeGreaterThan(base * (1 - slack));
          expect(cost(event(k / 64, sensitivitySquared + 1, steps))).toBeGreaterThan(base * (1 - slack));
          expect(cost(event(k / 32, sensitivitySquared, steps))).toBeLessThan(base * (1 + slack));
          expect(cost(event(k / 64, sensitivitySquared, steps), 1e-6)).toBeGreaterThan(base);
        },
      ),
      { seed: 10, numRuns: 30 },
    );
  });

  it('vanishes as the noise grows', () => {
    const epsilons = [1e2, 1e4, 1e6, 1e8, 1e10].map(
      (sigmaSquared) => epsilonOf([event(sigmaSquared, 10)], 1e-5).epsilon,
    );
    expect(epsilons).toEqual([...epsilons].sort((a, b) => b - a));
    expect(epsilons.at(-1)).toBeLessThan(1e-4);
  });

  it.each([0, 1, -1e-5, NaN, 1e-19])('refuses delta %d', (delta) => {
    expect(() => epsilonOf([], delta)).toThrow(InvalidInputError);
  });

  it.each([-1, NaN, Infinity])('refuses the epsilon %d', (epsilon) => {
    expect(() => deltaOf([], epsilon)).toThrow(InvalidInputError);
  });

  it('refuses what no budget covers and no table holds', () => {
    expect(() => epsilonOf([event(1, 1000, 1000)], 1e-5)).toThrow(/1000000 unit shifts/);
  });
});

describe('createAccountant', () => {
  it('answers as the plain functions do, also when asked again and when its memory is full', () => {
    const accountant = createAccountant(2);
    for (const shifts of [1, 2, 3, 1, 2, 1, 1]) {
      const events = [event(10, shifts), event(4, 1)];
      expect(accountant.epsilonOf(events, 1e-5)).toEqual(epsilonOf(events, 1e-5));
      expect(accountant.deltaOf(events, 1)).toEqual(deltaOf(events, 1));
    }
  });

  it('gives the remembered answer itself for the same multiset in another order', () => {
    const accountant = createAccountant();
    const events = [event(10, 3), event(4, 1)];
    expect(accountant.epsilonOf([...events].reverse(), 1e-5)).toBe(accountant.epsilonOf(events, 1e-5));
    expect(accountant.epsilonOf(events, 1e-6)).not.toBe(accountant.epsilonOf(events, 1e-5));
  });
});
