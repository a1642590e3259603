import { describe, expect, it } from '@jest/globals';
import { convolve, sumPmf } from './discrete-gaussian-sum.ts';
import { gaussianBound, latticeCurve, lossLattice, onGrid } from './privacy-loss.ts';

/** The sum's pmf one convolution after the other, whatever the variance. */
function repeated(sigmaSquared: number, summands: number): Float64Array {
  const single = sumPmf({ sigmaSquared, unitShifts: 1 }).probability;
  let sum = single;
  for (let i = 1; i < summands; i++) sum = convolve(sum, single);
  return sum;
}

describe('sumPmf', () => {
  it.each([
    [0.015625, 5],
    [0.5, 7],
    [1, 33],
    [3.984375, 12],
    [4, 2],
    [4, 30],
    [20.25, 9],
  ])('of variance %d, %d summands, is repeated convolution', (sigmaSquared, unitShifts) => {
    const { probability, radius, relativeError } = sumPmf({ sigmaSquared, unitShifts });
    const truth = repeated(sigmaSquared, unitShifts);
    const centre = (truth.length - 1) / 2;
    expect(relativeError).toBeLessThan(1e-11);
    for (let x = -radius; x <= radius; x++) {
      const [p, t] = [probability[radius + x] ?? NaN, truth[centre + x] ?? 0];
      // Both are cut at 1e-30; above that they agree relatively.
      expect(Math.abs(p - t)).toBeLessThanOrEqual(1e-12 * t + 1e-29);
    }
  });

  it('needs convolution below variance 4: the closed form would be visibly off', () => {
    const truth = repeated(0.5, 2);
    const closed = sumPmf({ sigmaSquared: 1, unitShifts: 1 });
    const ratio = (truth[(truth.length - 1) / 2] ?? 0) / (closed.probability[closed.radius] ?? 1);
    expect(Math.abs(ratio - 1)).toBeGreaterThan(1e-3);
  });
});

describe('pessimistic replacements', () => {
  const epsilons = [-0.5, 0, 0.1, 0.5, 1, 2, 3.3];

  it('a Gaussian bound lies above the lattice, by no more than it says', () => {
    for (const group of [
      { sigmaSquared: 1, unitShifts: 1 },
      { sigmaSquared: 10, unitShifts: 4 },
      { sigmaSquared: 900, unitShifts: 60 },
    ]) {
      // prettier-ignore
      const exact = latticeCurve(lossLattice(group));
      const { curve, shift } = gaussianBound([group]);
      for (const epsilon of epsilons) {
        expect(curve(epsilon)).toBeGreaterThanOrEqual(exact(epsilon));
        expect(curve(epsilon + 2 * shift)).toBeLessThanOrEqual(exact(epsilon) * 1.1 + 1e-12);
      }
    }
  });

  it('a grid keeps P and Q mass, lies above the lattice, and moves no loss by more than a step', () => {
    for (const step of [0.013, 0.1, 0.7]) {
      const lattice = lossLattice({ sigmaSquared: 7.5, unitShifts: 11 });
      const grid = onGrid(lattice, step);
      const mass = (of: typeof lattice, weight: (loss: number) => number) =>
        of.probability.reduce((sum, p, i) => sum + p * weight(of.lowest + i * of.step), 0);
      expect(mass(grid, () => 1)).toBeCloseTo(1, 12);
      expect(mass(grid, (loss) => Math.exp(-loss))).toBeCloseTo(
        mass(lattice, (loss) => Math.exp(-loss)),
        12,
      );
      const [exact, moved] = [latticeCurve(lattice), latticeCurve(grid)];
      for (const epsilon of epsilons) {
        expect(moved(epsilon)).toBeGreaterThanOrEqual(exact(epsilon) * (1 - 1e-12));
        expect(moved(epsilon)).toBeLessThanOrEqual(exact(epsilon - step) * (1 + 1e-12));
      }
    }
  });
});
