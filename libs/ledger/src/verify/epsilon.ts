import { inverseTransform, transform } from './fourier.ts';
import type { Complex } from './fourier.ts';

/** A discrete Gaussian release: a record moves `sensitivitySquared` coordinates by one each, `steps` times, under N_Z(0, sigmaSquared). */
export interface LossEvent {
  readonly sigmaSquared: number;
  readonly sensitivitySquared: number;
  readonly steps: number;
}

/** A distribution of the privacy loss on equally spaced points. `missing` bounds the mass that is not in it: cut tails and rounding. */
interface LossDistribution {
  readonly lowest: number;
  readonly spacing: number;
  readonly mass: Float64Array;
  readonly missing: number;
}

/** Points of the common grid onto which losses of different sigma are brought. */
const GRID_POINTS = 2 ** 15;
/** Beyond this many points a lattice is not composed: a table of 64 MB. */
const MAX_LATTICE_POINTS = 2 ** 22;
/** Standard deviations kept on each side: a discrete Gaussian is sub-Gaussian (Canonne, Kamath, Steinke 2020, Corollary 17), so 2 exp(-50) is cut. */
const TAIL = 10;
/**
 * A transform's error is, relative to the Euclidean norm, below 4 u log2(points) with u = 2^-53 (Higham 2002, "Accuracy and Stability of Numerical
 * Algorithms", Section 24.1); spread over the 20 standard deviations of the result that is less than this, times levels, in total mass.
 */
const ROUNDING_UNIT = 2 ** -49;

/**
 * Smallest epsilon at `delta` of all `events` together, add or remove one record; never below the truth. The loss of releases with one sigma
 * lies on a lattice and is composed there by exact convolution; losses of different sigma are first split between the two neighbouring
 * points of a common grid so that the masses under both neighbouring data sets are kept (the original is a post-processing of the split
 * pair, hence no smaller loss: "connect the dots", Doroshenko et al. 2022). Throws RangeError when delta is too small or a lattice too large.
 */
export function composedEpsilon(events: readonly LossEvent[], delta: number): number {
  const shifts = shiftsBySigma(events);
  if (shifts.size === 0) return 0;
  const lattices = Array.from(shifts, ([sigmaSquared, count]) => latticeOfOneSigma(sigmaSquared, count));
  const [only, another] = lattices;
  return epsilonOf(only && !another ? only : composed(lattices), delta);
}

/** Number of unit shifts under noise of each sigma^2: all that epsilon depends on. */
export function shiftsBySigma(events: readonly LossEvent[]): ReadonlyMap<number, number> {
  const shifts = new Map<number, number>();
  for (const { sigmaSquared, sensitivitySquared, steps } of events) {
    shifts.set(sigmaSquared, (shifts.get(sigmaSquared) ?? 0) + sensitivitySquared * steps);
  }
  return shifts;
}

/** Loss (n + 2 M) / (2 sigma^2), where M is the sum of n = `count` independent discrete Gaussians. */
function latticeOfOneSigma(sigmaSquared: number, count: number): LossDistribution {
  const reach = Math.ceil(TAIL * Math.sqrt(sigmaSquared * count)) + 1;
  const points = powerOfTwoFrom(2 * reach + 1);
  if (!(points <= MAX_LATTICE_POINTS)) {
    throw new RangeError(
      `${count} shifts at sigma^2 ${sigmaSquared} need more than ${MAX_LATTICE_POINTS} lattice points`,
    );
  }
  // The characteristic function of the sum is the power of the one; both are symmetric, so real, and the transform is its own inverse.
  const single = noise(sigmaSquared, points);
  const norm = Math.sqrt(single.re.reduce((total, p) => total + p * p, 0));
  transform(single);
  const sum = { re: single.re.map((value) => value ** count), im: new Float64Array(points) };
  transform(sum);
  const mass = new Float64Array(2 * reach + 1).map((_, i) => {
    return Math.max(0, (sum.re[(i - reach + points) % points] as number) / points);
  });
  return {
    lowest: (count - 2 * reach) / (2 * sigmaSquared),
    spacing: 1 / sigmaSquared,
    mass,
    missing: ROUNDING_UNIT * count * Math.log2(points) * norm,
  };
}

/** N_Z(0, sigmaSquared) on a circle of `points` integers. */
function noise(sigmaSquared: number, points: number): Complex {
  const re = new Float64Array(points);
  const reach = Math.min(Math.ceil(TAIL * Math.sqrt(sigmaSquared)) + 1, points / 2 - 1);
  let total = 0;
  for (let k = -reach; k <= reach; k++) {
    const weight = Math.exp((-k * k) / (2 * sigmaSquared));
    re[(k + points) % points] = weight;
    total += weight;
  }
  return { re: re.map((weight) => weight / total), im: new Float64Array(points) };
}

function composed(lattices: readonly LossDistribution[]): LossDistribution {
  const width = lattices.reduce((sum, { mass, spacing }) => sum + (mass.length - 1) * spacing, 0);
  const spacing = width / (GRID_POINTS - 3 * lattices.length);
  const product: Complex = { re: new Float64Array(GRID_POINTS).fill(1), im: new Float64Array(GRID_POINTS) };
  let lowestIndex = 0;
  let missing = ROUNDING_UNIT * Math.log2(GRID_POINTS) * lattices.length;
  for (const lattice of lattices) {
    const first = Math.floor(lattice.lowest / spacing);
    const factor = { re: onGrid(lattice, first, spacing), im: new Float64Array(GRID_POINTS) };
    transform(factor);
    multiply(product, factor);
    lowestIndex += first;
    missing += lattice.missing;
  }
  inverseTransform(product);
  return { lowest: lowestIndex * spacing, spacing, mass: product.re.map((mass) => Math.max(0, mass)), missing };
}

/** Splits every atom p at loss L between the grid points x <= L < x + h, keeping p and the other data set's p exp(-L). */
function onGrid(lattice: LossDistribution, first: number, spacing: number): Float64Array {
  const grid = new Float64Array(GRID_POINTS);
  for (let i = 0; i < lattice.mass.length; i++) {
    const p = lattice.mass[i] as number;
    const loss = lattice.lowest + i * lattice.spacing;
    const below = Math.max(0, Math.floor(loss / spacing) - first);
    const excess = Math.max(0, loss - (first + below) * spacing);
    const up = p * Math.min(1, Math.expm1(-excess) / Math.expm1(-spacing));
    grid[below] = (grid[below] as number) + p - up;
    grid[below + 1] = (grid[below + 1] as number) + up;
  }
  return grid;
}

function multiply(product: Complex, factor: Complex): void {
  for (let i = 0; i < GRID_POINTS; i++) {
    const a = product.re[i] as number;
    const b = product.im[i] as number;
    const c = factor.re[i] as number;
    const d = factor.im[i] as number;
    product.re[i] = a * c - b * d;
    product.im[i] = a * d + b * c;
  }
}

/** Smallest epsilon >= 0 with delta(epsilon) = sum over L > epsilon of p(L) (1 - exp(epsilon - L)) at most `delta`. */
function epsilonOf({ lowest, spacing, mass, missing }: LossDistribution, delta: number): number {
  const allowed = delta - missing;
  if (!(allowed >= 0.99 * delta)) {
    throw new RangeError(`delta ${delta} is too small beside the numerical error ${missing}`);
  }
  // Going down from the largest loss: `above` is the mass above, `weighted` its sum of p exp(reference - L), so that
  // delta(epsilon) = above - weighted exp(epsilon - reference) down to the next point.
  let [above, weighted, reference] = [0, 0, Infinity];
  for (let i = mass.length - 1; i >= 0; i--) {
    const loss = Math.max(0, lowest + i * spacing);
    const weightedHere = weighted === 0 ? 0 : weighted * Math.exp(loss - reference);
    if (above - weightedHere > allowed) return reference + Math.log((above - allowed) / weighted);
    if (loss === 0) return 0;
    above += mass[i] as number;
    weighted = weightedHere + (mass[i] as number);
    reference = loss;
  }
  // Every loss is positive: epsilon lies between zero and the smallest of them.
  return Math.max(0, reference + Math.log(Math.max(0, above - allowed) / weighted));
}

function powerOfTwoFrom(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}
