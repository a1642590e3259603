import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SeededRandom } from './seeded-random.ts';

describe('SeededRandom', () => {
  it('is xoshiro128**: first words from the state 1, 2, 3, 4, as in the test vectors of the reference implementation', () => {
    const random = new SeededRandom([1, 2, 3, 4]);
    const words = Array.from({ length: 10 }, () => random.word());
    expect(words).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('repeats itself for a seed and differs between seeds', () => {
    const draws = (seed: number) =>
      Array.from(
        { length: 4 },
        (
          (random) => () =>
            random.word()
        )(new SeededRandom(seed)),
      );
    expect(draws(7)).toEqual(draws(7));
    expect(new Set([0, 1, 2, -1].map((seed) => draws(seed).join())).size).toBe(4);
  });

  it('shuffles without loss and draws Dirichlet shares that sum to 1, also for tiny alpha', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.nat()), fc.constantFrom(1e-3, 0.1, 0.5, 10), (seed, items, alpha) => {
        const random = new SeededRandom(seed);
        const ascending = (a: number, b: number) => a - b;
        expect(random.shuffle(items).sort(ascending)).toEqual([...items].sort(ascending));
        const shares = random.dirichlet(5, alpha);
        expect(shares.every((share) => share >= 0)).toBe(true);
        expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      }),
    );
  });

  // Seed 1, n = 20,000; each bound is 5 standard errors of its mean, false-alarm rate below 1e-6 each, and the seed is fixed.
  const n = 20_000;
  const mean = (draw: (random: SeededRandom) => number) => {
    const random = new SeededRandom(1);
    return Array.from({ length: n }, () => draw(random)).reduce((a, b) => a + b, 0) / n;
  };
  const within = (value: number, expected: number, variance: number) => {
    expect(Math.abs(value - expected)).toBeLessThan(5 * Math.sqrt(variance / n));
  };

  it('has the moments of its distributions', () => {
    within(
      mean((random) => random.uniform()),
      1 / 2,
      1 / 12,
    );
    within(
      mean((random) => random.index(5)),
      2,
      2,
    );
    within(
      mean((random) => random.normal()),
      0,
      1,
    );
    within(
      mean((random) => random.normal() ** 2),
      1,
      2,
    );
    within(
      mean((random) => (random.weighted([1, 0, 3]) === 2 ? 1 : 0)),
      3 / 4,
      3 / 16,
    );
    // A share of Dirichlet(alpha x 5) is Beta(alpha, 4 alpha): variance (1/5)(4/5) / (5 alpha + 1); fourth moment bounded by the mean.
    const share = (random: SeededRandom) => random.dirichlet(5, 0.5)[0] ?? NaN;
    within(mean(share), 1 / 5, ((1 / 5) * (4 / 5)) / 3.5);
    within(
      mean((random) => share(random) ** 2),
      1 / 25 + 4 / 25 / 3.5,
      1 / 5,
    );
  });
});
