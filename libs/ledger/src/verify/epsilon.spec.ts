import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { composedEpsilon } from './epsilon.ts';
import type { LossEvent } from './epsilon.ts';

type Atom = readonly [loss: number, mass: number];

const event = (sigmaSquared: number, sensitivitySquared: number, steps = 1): LossEvent => {
  return { sigmaSquared, sensitivitySquared, steps };
};

/** Loss of one unit shift, written down from its definition: ln(P(x) / Q(x)) = (1 - 2x) / (2 sigma^2) at every x. */
function lossOfShift(sigmaSquared: number): Atom[] {
  const reach = Math.ceil(9 * Math.sqrt(sigmaSquared)) + 2;
  const integers = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach);
  const weights = integers.map((x) => Math.exp((-x * x) / (2 * sigmaSquared)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return integers.map((x, i) => [(1 - 2 * x) / (2 * sigmaSquared), (weights[i] ?? 0) / total]);
}

/** Every pair of losses; equal ones (up to rounding) are put together so that the list stays short. */
function sumOfLosses(a: readonly Atom[], b: readonly Atom[]): Atom[] {
  const masses = new Map<string, Atom>();
  for (const [x, p] of a) {
    for (const [y, q] of b) {
      const name = (x + y).toFixed(9);
      masses.set(name, [x + y, p * q + (masses.get(name)?.[1] ?? 0)]);
    }
  }
  return [...masses.values()].filter(([, mass]) => mass > 1e-25);
}

/** Epsilon by the definition: all losses enumerated, the hockey-stick divergence summed, the root found by bisection. */
function enumeratedEpsilon(events: readonly LossEvent[], delta: number): number {
  let losses: Atom[] = [[0, 1]];
  for (const { sigmaSquared, sensitivitySquared, steps } of events) {
    for (let shift = 0; shift < sensitivitySquared * steps; shift++) {
      losses = sumOfLosses(losses, lossOfShift(sigmaSquared));
    }
  }
  const deltaAt = (epsilon: number) =>
    losses.reduce((sum, [loss, mass]) => sum + (loss > epsilon ? mass * -Math.expm1(epsilon - loss) : 0), 0);
  let [low, high] = [0, Math.max(...losses.map(([loss]) => loss))];
  if (deltaAt(0) <= delta) return 0;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (deltaAt(middle) > delta) low = middle;
    else high = middle;
  }
  return high;
}

describe('composedEpsilon', () => {
  it.each([
    ['one shift, sigma 1', [event(1, 1)], 1e-5],
    ['one shift, little noise', [event(0.05, 1)], 1e-5],
    ['five steps, sigma^2 2', [event(2, 1, 5)], 1e-6],
    ['three coordinates, four steps', [event(9, 3, 4)], 1e-3],
    ['two sigmas', [event(4, 2), event(9, 3)], 1e-5],
    ['three sigmas, one of them small', [event(0.25, 1), event(6.25, 2), event(20, 4)], 1e-5],
  ])('%s: not below the enumerated losses, and within 1e-6 of them', (_, events, delta) => {
    const truth = enumeratedEpsilon(events, delta);
    const epsilon = composedEpsilon(events, delta);
    expect(epsilon).toBeGreaterThanOrEqual(truth * (1 - 1e-11)); // the enumeration's own rounding
    expect(epsilon).toBeLessThanOrEqual(truth * (1 + 1e-6));
  });

  // Analytic Gaussian (Balle and Wang 2018), computed with dp_accounting 0.6.0. In units of 1/30 of a standard deviation or finer the lattice is not felt.
  it.each([
    [1, 1, 1e-5, 4.377178095681235],
    [2, 1, 1e-5, 1.9930914044151182],
    [5, 1, 1e-6, 0.8341175486240463],
    [50, 1, 1e-5, 0.05863225530610259],
    [4, 10, 1e-5, 3.341409469239206],
    [53, 200, 1e-5, 0.9950099390966078],
    [2, 4, 1e-3, 3.13867054858295],
  ])('sigma %d, %d steps, delta %d approaches the Gaussian epsilon', (sigma, steps, delta, golden) => {
    const scale = Math.ceil(30 / sigma);
    const epsilon = composedEpsilon([event((sigma * scale) ** 2, scale ** 2, steps)], delta);
    expect(Math.abs(epsilon / golden - 1)).toBeLessThan(1e-4);
  });

  it('composes three sigmas as dp_accounting does', () => {
    const scaled = (sigma: number, steps: number) => event((4 * sigma) ** 2, 16, steps);
    const epsilon = composedEpsilon([scaled(20, 10), scaled(30, 20), scaled(50, 40)], 1e-5);
    expect(Math.abs(epsilon / 0.9321969940394723 - 1)).toBeLessThan(1e-5);
  });

  it('does not depend on order or on how steps are grouped, and never falls when an event is added', () => {
    const events = fc.array(
      fc.record({
        sigmaSquared: fc.constantFrom(30, 64, 200),
        sensitivitySquared: fc.integer({ min: 1, max: 4 }),
        steps: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(events, (list) => {
        const epsilon = composedEpsilon(list, 1e-5);
        const single = list.flatMap((one) => Array.from({ length: one.steps }, () => ({ ...one, steps: 1 })));
        // Groups come in another order, so sums are rounded differently; nothing else may differ.
        expect(composedEpsilon(single.reverse(), 1e-5)).toBeCloseTo(epsilon, 8);
        expect(composedEpsilon(list.slice(1), 1e-5)).toBeLessThan(epsilon);
      }),
      { numRuns: 10 },
    );
  });

  it('is zero for nothing, and says when it cannot compute', () => {
    expect(composedEpsilon([], 1e-5)).toBe(0);
    expect(composedEpsilon([event(1e6, 1)], 0.01)).toBe(0);
    expect(() => composedEpsilon([event(1e15, 1)], 1e-5)).toThrow('lattice points');
    expect(() => composedEpsilon([event(100, 100)], 1e-15)).toThrow('too small');
  });
});
