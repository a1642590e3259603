import { analyticGaussianDelta } from './analytic-gaussian.ts';
import { convolve, sumPmf, UNIT_ROUNDOFF } from './discrete-gaussian-sum.ts';
import type { ShiftGroup } from './event.ts';

// Looked up once: `Math` in an inner loop is slow where globals are intercepted, as in test sandboxes.
const { ceil, exp, expm1, floor, max } = Math;

/**
 * Privacy loss L = ln(P/Q) of one group under P. With X = sum of m N_Z(0, sigma^2), one unit shift has ln(P(x)/Q(x)) = (1 - 2x) / (2 sigma^2); hence
 * L = (m/2 - X) / sigma^2, and as X is symmetric L is distributed as (m/2 + X) / sigma^2: a lattice of step 1/sigma^2. Adding and removing a record give
 * the same L, because x -> 1 - x exchanges P and Q.
 */
export interface LossLattice {
  /** L at index 0. */
  readonly lowest: number;
  readonly step: number;
  /** P[L = lowest + i step]. */
  readonly probability: Float64Array;
  readonly relativeError: number;
  readonly tail: number;
}

/** Loss of one group on its own lattice, exact up to `relativeError` and `tail`. */
export function lossLattice(group: ShiftGroup): LossLattice {
  const { probability, radius, relativeError, tail } = sumPmf(group);
  const step = 1 / group.sigmaSquared;
  return { lowest: (group.unitShifts / 2 - radius) * step, step, probability, relativeError, tail };
}

/** epsilon -> delta(epsilon) = E[(1 - e^(epsilon - L))_+], the hockey-stick divergence; any real epsilon. */
export type DeltaCurve = (epsilon: number) => number;

/**
 * The curve of a lattice, from two tables of tail sums: with a the lowest lattice value above epsilon, x = L(a) - epsilon, h = step,
 * delta = sum_{s >= a} p(s) (1 - e^(-x - (s - a) h)) = e^-x D(a) + (1 - e^-x) T(a), where T(a) = sum_{s >= a} p(s) and
 * D(a) = sum_{s >= a} p(s) (1 - e^(-(s - a) h)) = e^-h D(a + 1) + (1 - e^-h) T(a + 1). All terms are positive: nothing cancels.
 */
export function latticeCurve({ lowest, step, probability }: LossLattice): DeltaCurve {
  const size = probability.length;
  const tailSum = new Float64Array(size + 1);
  const discounted = new Float64Array(size + 1);
  const keep = exp(-step);
  const lose = -expm1(-step);
  for (let a = size - 1; a >= 0; a--) {
    const above = tailSum[a + 1] ?? 0;
    discounted[a] = keep * (discounted[a + 1] ?? 0) + lose * above;
    tailSum[a] = above + (probability[a] ?? 0);
  }
  return (epsilon) => {
    const a = max(0, ceil((epsilon - lowest) / step));
    if (a >= size) return 0;
    const distance = max(0, lowest + a * step - epsilon);
    return exp(-distance) * (discounted[a] ?? 0) - expm1(-distance) * (tailSum[a] ?? 0);
  };
}

/** Rounding error of `latticeCurve`, relative: sums of `size` positive terms, and losses that are themselves rounded. */
export function latticeCurveError(lattice: LossLattice): number {
  return 2 * (lattice.probability.length + 1000) * UNIT_ROUNDOFF;
}

/** Upper bound on the curve of groups whose lattices are too fine to be tabulated. */
export interface GaussianBound {
  readonly curve: DeltaCurve;
  /** Epsilon by which the bound lies to the right of the continuous Gaussian, included in `curve`. */
  readonly shift: number;
  /** Relative excess, included in `curve`. */
  readonly relativeExcess: number;
  /** Rounding error of `curve`, relative, where delta exceeds 1e-20; not included. */
  readonly relativeError: number;
}

/**
 * A continuous Gaussian that dominates groups with v = m sigma^2 large. For f(x) = exp(-x^2 / 2v), the integral of f over [s - 1/2, s + 1/2] is at least
 * f(s) times that of exp(-x^2 / 2v) over [-1/2, 1/2] (as cosh >= 1), so at least f(s) (1 - 1/(24 v)); and sum f >= sqrt(2 pi v) (Poisson summation). Hence
 * P[X = s] <= P[round(G) = s] / (1 - 1/(24 v)) with G ~ N(0, v), and round(G) <= G + 1/2 gives L <= (m/2 + G + 1/2) / sigma^2: the curve of the
 * continuous mechanism, moved by 1/(2 sigma^2). Sums of independent G are Gaussian again.
 */
export function gaussianBound(groups: readonly ShiftGroup[]): GaussianBound {
  let muSquared = 0;
  let shift = 0;
  let factor = 1;
  for (const { unitShifts, sigmaSquared } of groups) {
    muSquared += unitShifts / sigmaSquared;
    shift += 1 / (2 * sigmaSquared);
    factor /= 1 - 1 / (24 * unitShifts * sigmaSquared);
  }
  const mu = Math.sqrt(muSquared);
  return {
    curve: (epsilon) => Math.min(1, factor * analyticGaussianDelta(mu, epsilon - shift)),
    shift,
    relativeExcess: factor - 1,
    relativeError: 1e-13 / Math.min(1, mu),
  };
}

/**
 * The lattice moved to the grid of all multiples of `gridStep`, pessimistically: an atom between two grid points is split so that its P mass and its
 * Q mass (P mass times e^-L) are both kept. Merging the halves restores the original, so the split pair of distributions can only be easier to tell
 * apart (Doroshenko et al. 2022, "Connect the Dots: Tighter Discrete Approximations of Privacy Loss Distributions"). No loss moves by more than one step.
 */
export function onGrid(lattice: LossLattice, gridStep: number): LossLattice {
  const { lowest, step, probability } = lattice;
  const first = floor(lowest / gridStep);
  const last = floor((lowest + (probability.length - 1) * step) / gridStep) + 1;
  const moved = new Float64Array(last - first + 1);
  const range = -expm1(-gridStep);
  for (let i = 0; i < probability.length; i++) {
    const mass = probability[i] ?? 0;
    const position = (lowest + i * step) / gridStep;
    const below = floor(position);
    const up = (mass * -expm1(-(position - below) * gridStep)) / range;
    moved[below - first] = (moved[below - first] ?? 0) + max(0, mass - up);
    moved[below - first + 1] = (moved[below - first + 1] ?? 0) + up;
  }
  return {
    ...lattice,
    lowest: first * gridStep,
    step: gridStep,
    probability: moved,
    relativeError: lattice.relativeError + 1e-12,
  };
}

/** Loss of two independent mechanisms on one grid. */
export function addLosses(a: LossLattice, b: LossLattice): LossLattice {
  const cells = Math.min(a.probability.length, b.probability.length);
  return {
    lowest: a.lowest + b.lowest,
    step: a.step,
    probability: convolve(a.probability, b.probability),
    relativeError: a.relativeError + b.relativeError + (cells + 2) * UNIT_ROUNDOFF,
    tail: a.tail + b.tail,
  };
}
