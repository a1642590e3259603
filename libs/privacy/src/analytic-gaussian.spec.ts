import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { analyticGaussianDelta, analyticGaussianEpsilon, analyticGaussianMu } from './analytic-gaussian.ts';
import { erfcx, normalUpperTail } from './normal.ts';

interface Vectors {
  readonly epsilon: { id: number; parts: { sigma: number; steps: number }[]; delta: number; epsilon: number }[];
  readonly sigma: { id: number; steps: number; delta: number; epsilon: number; sigma: number }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/analytic-gaussian.json', import.meta.url), 'utf8'),
) as Vectors;
const golden = new URL('../../../../shared/golden/dp-accounting/golden_epsilon.csv', import.meta.url);

const relativeError = (value: number, truth: number) => Math.abs(value / truth - 1);
const muOf = (parts: { sigma: number; steps: number }[]) =>
  Math.sqrt(parts.reduce((sum, { sigma, steps }) => sum + steps / sigma ** 2, 0));

describe('normal tail', () => {
  // exp(x^2) erfc(x), mpmath 1.3.0 at 30 digits.
  it.each([
    [0, 1],
    [0.1, 0.89645697996912664],
    [0.5, 0.61569034419292587],
    [0.999, 0.42785694262141683],
    [1, 0.427583576155807],
    [1.5, 0.3215854164543175],
    [2, 0.25539567631050574],
    [3, 0.17900115118138995],
    [5, 0.11070463773306863],
    [10, 0.056140992743822586],
    [40, 0.014100335983377814],
  ])('erfcx(%d)', (x, truth) => {
    expect(relativeError(erfcx(x), truth)).toBeLessThan(2e-15);
  });

  it('is symmetric about one half', () => {
    for (const x of [0, 0.3, 1, 4]) expect(normalUpperTail(x) + normalUpperTail(-x)).toBeCloseTo(1, 15);
  });
});

describe('analytic Gaussian mechanism', () => {
  // delta(mu, epsilon), mpmath 1.3.0 at 60 digits.
  it.each([
    [0.01, 0.02, 8.5759513078782286e-5],
    [0.25, 1, 2.9242721048564073e-6],
    [0.25, 0, 0.099476449660225786],
    [1, -2, 0.86749642294357747],
    [0.5, -0.1, 0.23926744828761344],
    [3, 20, 4.2247546167694101e-8],
    [30, 700, 3.0641704385121704e-17],
    [0.001, 0.005, 5.3595470410572127e-11],
  ])('delta at mu %d, epsilon %d', (mu, epsilon, truth) => {
    expect(relativeError(analyticGaussianDelta(mu, epsilon), truth)).toBeLessThan(1e-10);
  });

  it.each(vectors.epsilon)('epsilon of golden row $id', ({ parts, delta, epsilon }) => {
    expect(relativeError(analyticGaussianEpsilon(muOf(parts), delta), epsilon)).toBeLessThan(1e-8);
  });

  it.each(vectors.sigma)('sigma of golden row $id', ({ steps, delta, epsilon, sigma }) => {
    expect(relativeError(Math.sqrt(steps) / analyticGaussianMu(epsilon, delta), sigma)).toBeLessThan(1e-8);
  });

  (existsSync(golden) ? it : it.skip)('has every golden row with q = 1 among its vectors', () => {
    const rows = readFileSync(golden, 'utf8').trim().split(/\r?\n/).slice(1);
    const analytic = rows.map((row) => row.split(',').at(-1)).filter((epsilon) => epsilon !== '');
    expect(analytic.map(Number)).toEqual(vectors.epsilon.map(({ epsilon }) => epsilon));
  });

  it('inverts itself, never below the truth', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 6, noNaN: true }), fc.integer({ min: 2, max: 12 }), (mu, digits) => {
        const delta = 10 ** -digits;
        const epsilon = analyticGaussianEpsilon(mu, delta);
        expect(analyticGaussianDelta(mu, epsilon)).toBeLessThanOrEqual(delta);
        if (epsilon > 1e-3) expect(relativeError(analyticGaussianMu(epsilon, delta), mu)).toBeLessThan(1e-9);
      }),
    );
  });

  it('needs no epsilon where delta alone suffices', () => {
    expect(analyticGaussianEpsilon(1e-3, 1e-2)).toBe(0);
  });

  it.each([0, -1, NaN, Infinity])('refuses mu %d', (mu) => {
    expect(() => analyticGaussianEpsilon(mu, 1e-5)).toThrow(InvalidInputError);
  });

  it.each([0, 1, -1, NaN])('refuses delta %d', (delta) => {
    expect(() => analyticGaussianMu(1, delta)).toThrow(InvalidInputError);
  });
});
