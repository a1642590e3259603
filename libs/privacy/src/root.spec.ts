import { describe, expect, it } from '@jest/globals';
import { leastArgument } from './root.ts';

describe('leastArgument', () => {
  it.each([1e-3, 0.5, 3, 1e4])('finds the root from the guess %d, on the safe side', (guess) => {
    const f = (x: number) => Math.exp(-3 * x);
    const root = leastArgument(f, 1e-4, guess);
    expect(f(root)).toBeLessThanOrEqual(1e-4);
    expect(root / (Math.log(1e4) / 3) - 1).toBeLessThan(1e-12);
  });

  it('finds the edge of a step, and of a function that reaches zero', () => {
    expect(leastArgument((x) => (x < 2 ? 1 : 0), 0.5, 1)).toBeCloseTo(2, 12);
    expect(leastArgument((x) => (Math.ceil(10 * x) >= 33 ? 0.1 : 0.9), 0.5, 50)).toBeCloseTo(3.2, 10);
    expect(leastArgument((x) => Math.max(0, 1 - x), 0.25, 7)).toBeCloseTo(0.75, 12);
  });
});
