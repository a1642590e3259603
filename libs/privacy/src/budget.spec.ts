import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { createAccountant, epsilonOf } from './accountant.ts';
import { decide } from './budget.ts';
import { calibrate } from './calibration.ts';
import type { MechanismEvent } from './event.ts';

const event = (sigmaSquared: number, steps = 1): MechanismEvent => ({
  kind: 'discreteGaussian',
  sigmaSquared,
  sensitivitySquared: 9,
  steps,
});

describe('decide', () => {
  const cap = { epsilon: 1, delta: 1e-5 };

  it('grants exactly the steps that a calibration planned for, and then refuses', () => {
    const sigmaSquared =
      calibrate({ ...cap, parts: [{ share: 1, sensitivitySquared: 9, steps: 12 }] }).parts[0]?.sigmaSquared ?? NaN;
    const accountant = createAccountant();
    const history: MechanismEvent[] = [];
    for (let step = 1; step <= 12; step++) {
      const decision = decide({ history, event: event(sigmaSquared), cap }, accountant);
      expect(decision).toMatchObject({ granted: true, epsilonBefore: epsilonOf(history, cap.delta).epsilon });
      history.push(event(sigmaSquared));
      expect(decision.epsilonAfter).toBe(epsilonOf(history, cap.delta).epsilon);
      expect(decision.epsilonRemaining).toBe(cap.epsilon - decision.epsilonAfter);
    }
    const refusal = decide({ history, event: event(sigmaSquared), cap }, accountant);
    expect(refusal).toMatchObject({ granted: false, reason: 'over_budget' });
    expect(refusal.epsilonAfter).toBeGreaterThan(1);
    expect(refusal.epsilonRemaining).toBe(1 - refusal.epsilonBefore);
  });

  it('grants if and only if the whole composition fits, with and without memory', () => {
    const accountant = createAccountant(8);
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(event(400), event(700), event(900, 2)), { maxLength: 5 }),
        fc.constantFrom(event(400), event(50)),
        fc.double({ min: 0.1, max: 2, noNaN: true }),
        (history, next, epsilon) => {
          const request = { history, event: next, cap: { epsilon, delta: 1e-5 } };
          const decision = decide(request);
          expect(decision.granted).toBe(epsilonOf([...history, next], 1e-5).epsilon <= epsilon);
          expect(decide(request, accountant)).toEqual(decision);
        },
      ),
      { seed: 31, numRuns: 40 },
    );
  });

  it('leaves nothing where the history alone is over the cap', () => {
    expect(decide({ history: [event(20)], event: event(1e6), cap })).toMatchObject({
      granted: false,
      epsilonRemaining: 0,
    });
  });

  it.each([
    { cap: { epsilon: 0, delta: 1e-5 } },
    { cap: { epsilon: 1, delta: 0 } },
    { event: { ...event(10), steps: -1 } },
    { history: [event(10), { ...event(10), sigmaSquared: 0.1 }] },
  ])('refuses to decide on %j', (change) => {
    expect(() => decide({ history: [], event: event(10), cap, ...change })).toThrow(InvalidInputError);
  });
});
