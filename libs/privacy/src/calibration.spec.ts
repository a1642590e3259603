import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { epsilonOf } from './accountant.ts';
import { calibrate, type CalibrationRequest } from './calibration.ts';

const eventsOf = (request: CalibrationRequest, { parts }: ReturnType<typeof calibrate>) =>
  request.parts.map(({ sensitivitySquared, steps }, i) => ({
    kind: 'discreteGaussian' as const,
    sigmaSquared: parts[i]?.sigmaSquared ?? NaN,
    sensitivitySquared,
    steps,
  }));

const part = fc.record({
  weight: fc.integer({ min: 1, max: 9 }),
  sensitivitySquared: fc.integer({ min: 1, max: 40 }),
  steps: fc.integer({ min: 1, max: 30 }),
});
const request = fc
  .tuple(
    fc.array(part, { minLength: 1, maxLength: 3 }),
    fc.double({ min: 0.05, max: 20, noNaN: true }),
    fc.integer({ min: 2, max: 12 }),
  )
  .map(([weighted, epsilon, digits]): CalibrationRequest => {
    const whole = weighted.reduce((sum, { weight }) => sum + weight, 0);
    return {
      epsilon,
      delta: 10 ** -digits,
      parts: weighted.map(({ weight, ...rest }) => ({ ...rest, share: weight / whole })),
    };
  });

describe('calibrate', () => {
  it('never exceeds the budget and leaves next to nothing unused', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const result = calibrate(asked);
        const events = eventsOf(asked, result);
        expect(result.total).toEqual(epsilonOf(events, asked.delta));
        expect(result.total.epsilon).toBeLessThanOrEqual(asked.epsilon);
        // Rounding sigma^2 up to 1/64 costs more where sigma is small: relative to mu at most 1/(128 sigma^2), and epsilon is at most quadratic in mu.
        const smallest = Math.min(...result.parts.map(({ sigmaSquared }) => sigmaSquared));
        expect(result.total.epsilon).toBeGreaterThan(asked.epsilon * (1 - 0.0005 - 1 / (50 * smallest)));
      }),
      { seed: 21, numRuns: 30 },
    );
  });

  it('splits mu^2 by the shares', () => {
    const asked = {
      epsilon: 1,
      delta: 1e-5,
      parts: [
        { share: 0.8, sensitivitySquared: 27, steps: 27 },
        { share: 0.2, sensitivitySquared: 4, steps: 1 },
      ],
    };
    const [model, benchmarks] = calibrate(asked).parts.map(({ sigmaSquared }) => sigmaSquared);
    expect((27 * 27) / (model ?? NaN) / (4 / (benchmarks ?? NaN))).toBeCloseTo(4, 3);
    expect(calibrate(asked).total.epsilon).toBeGreaterThan(0.99999);
    expect(calibrate(asked).total.method).toBe('exact-lattice');
  });

  it('asks for more noise for a smaller budget or more steps', () => {
    const noise = (epsilon: number, steps: number, delta = 1e-5) =>
      calibrate({ epsilon, delta, parts: [{ share: 1, sensitivitySquared: 9, steps }] }).parts[0]?.sigmaSquared ?? NaN;
    const byEpsilon = [0.05, 0.5, 1, 2, 8, 20].map((epsilon) => noise(epsilon, 25));
    expect(byEpsilon).toEqual([...byEpsilon].sort((a, b) => b - a));
    const bySteps = [1, 2, 5, 25, 200].map((steps) => noise(1, steps));
    expect(bySteps).toEqual([...bySteps].sort((a, b) => a - b));
    expect(noise(1, 25, 1e-9)).toBeGreaterThan(noise(1, 25));
  });

  it.each([
    [{ epsilon: 0 }, /epsilon/],
    [{ epsilon: -1 }, /found -1/],
    [{ delta: 1 }, /delta/],
    [{ parts: [] }, /sum to 1, found 0/],
    [{ parts: [{ share: 0.9, sensitivitySquared: 1, steps: 1 }] }, /found 0.9/],
    [{ parts: [{ share: 1, sensitivitySquared: 0, steps: 1 }] }, /sensitivitySquared/],
    [{ parts: [{ share: 1, sensitivitySquared: 1, steps: 0.5 }] }, /steps/],
  ])('refuses %j', (change, message) => {
    const valid = { epsilon: 1, delta: 1e-5, parts: [{ share: 1, sensitivitySquared: 1, steps: 1 }] };
    expect(() => calibrate({ ...valid, ...change })).toThrow(InvalidInputError);
    expect(() => calibrate({ ...valid, ...change })).toThrow(message);
  });
});
