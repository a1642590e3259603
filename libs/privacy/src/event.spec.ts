import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import { assertEvent, type MechanismEvent, muSquaredOf } from './event.ts';

const valid: MechanismEvent = { kind: 'discreteGaussian', sigmaSquared: 2.015625, sensitivitySquared: 27, steps: 6 };

describe('assertEvent', () => {
  it('accepts a valid event, also after a trip through JSON', () => {
    expect(() => { assertEvent(valid); }).not.toThrow(); // prettier-ignore
    expect(() => { assertEvent(JSON.parse(JSON.stringify(valid)) as MechanismEvent); }).not.toThrow(); // prettier-ignore
  });

  it.each([
    [{ kind: 'gaussian' }, /"gaussian"/],
    [{ sigmaSquared: 0 }, /sigmaSquared.*found 0/],
    [{ sigmaSquared: -1 }, /found -1/],
    [{ sigmaSquared: 1.01 }, /found 1.01/],
    [{ sigmaSquared: NaN }, /found NaN/],
    [{ sigmaSquared: Infinity }, /found Infinity/],
    [{ sensitivitySquared: 0 }, /sensitivitySquared.*found 0/],
    [{ sensitivitySquared: 1.5 }, /found 1.5/],
    [{ steps: 0 }, /steps.*found 0/],
    [{ steps: -3 }, /found -3/],
    [{ steps: 2 ** 52 }, /steps \* sensitivitySquared/],
    [{ steps: '6' }, /steps.*found 6/],
  ])('refuses %j', (change, message) => {
    const check = () => {
      assertEvent({ ...valid, ...change } as MechanismEvent);
    };
    expect(check).toThrow(InvalidInputError);
    expect(check).toThrow(message);
  });
});

describe('muSquaredOf', () => {
  it('adds unit shifts over variance', () => {
    expect(muSquaredOf([])).toBe(0);
    expect(muSquaredOf([valid, { ...valid, sigmaSquared: 4, steps: 1 }])).toBeCloseTo(162 / 2.015625 + 27 / 4, 12);
  });
});
