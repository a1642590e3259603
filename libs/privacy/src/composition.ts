import { radiusOf } from './discrete-gaussian-sum.ts';
import type { ShiftGroup } from './event.ts';
import {
  addLosses,
  type DeltaCurve,
  gaussianBound,
  latticeCurve,
  latticeCurveError,
  type LossLattice,
  lossLattice,
  onGrid,
} from './privacy-loss.ts';

/** 'exact-lattice': the true value up to named corrections of numerical size. 'upper-bound': a coarser pair of distributions dominates the true one. */
export type Method = 'exact-lattice' | 'upper-bound';

/** A safe-side amount, already included in the result: at most this much of the stated epsilon or delta is not the mechanism's own. */
export interface Correction {
  readonly name: string;
  readonly epsilon?: number;
  readonly delta?: number;
}

/** The privacy of a composition of groups as a curve of (epsilon, delta). */
export interface PrivacyCurve {
  /** Never below the true delta(epsilon), all corrections included. Non-increasing. */
  readonly delta: DeltaCurve;
  readonly method: Method;
  /** What `delta(epsilon)` includes beyond the plain sum. */
  corrections(epsilon: number): Correction[];
}

/** A lattice with more points than this is replaced by the continuous Gaussian that dominates it: its step is far below any epsilon of interest. */
const TABLE_LIMIT = 2 ** 19;
/** A lattice with more points than this is moved to the grid before it is summed over. */
const ATOM_LIMIT = 2 ** 14;
/** Grid steps per mu: an atom's split adds at most step^2/4 to a variance of mu^2. */
const GRID_STEPS_PER_MU = 128;

/**
 * delta(epsilon) = E[delta_inner(epsilon - L_outer)]: the group with most lattice points is `inner` and tabulated, the sum runs over the losses of all
 * others. One group is exact, and two while the smaller has at most ATOM_LIMIT points; else the outer losses are added on one pessimistic grid.
 */
export function composeGroups(groups: readonly ShiftGroup[]): PrivacyCurve {
  const bySize = [...groups].sort((a, b) => a.unitShifts * a.sigmaSquared - b.unitShifts * b.sigmaSquared);
  const tabulated = bySize.filter((group) => 2 * radiusOf(group) < TABLE_LIMIT);
  const untabulated = bySize.filter((group) => 2 * radiusOf(group) >= TABLE_LIMIT);

  const largest = untabulated.length === 0 ? tabulated.pop() : undefined;
  const outer = outerLoss(tabulated, groups);
  const gaussian = gaussianBound(untabulated);
  let inner = gaussian.curve;
  let relativeError = 0;
  let tail = 0;
  if (largest) {
    const lattice = lossLattice(largest);
    inner = latticeCurve(lattice);
    relativeError = lattice.relativeError + latticeCurveError(lattice);
    tail = lattice.tail;
  }
  if (outer) {
    relativeError += outer.loss.relativeError + latticeCurveError(outer.loss);
    tail += outer.loss.tail;
  }
  if (untabulated.length > 0) relativeError += gaussian.relativeError;

  const plain: DeltaCurve = outer ? (epsilon) => expectedDelta(inner, outer.loss, epsilon) : inner;
  const delta: DeltaCurve = (epsilon) => Math.min(1, plain(epsilon) * (1 + relativeError) + tail);
  const corrections = (epsilon: number): Correction[] => {
    const value = plain(epsilon);
    const list: Correction[] = [
      { name: 'truncated tails', delta: tail },
      { name: 'rounding', delta: value * relativeError },
    ];
    if (outer && outer.maxMove > 0) {
      list.push({ name: 'grid', delta: Math.min(value, gridExcess(plain, epsilon, outer.maxMove)) });
    }
    if (untabulated.length > 0) {
      list.push({ name: 'gaussian bound', epsilon: gaussian.shift, delta: value * gaussian.relativeExcess });
    }
    return list;
  };
  const exact = untabulated.length === 0 && (outer?.maxMove ?? 0) === 0;
  return { delta, method: exact ? 'exact-lattice' : 'upper-bound', corrections };
}

/** The summed loss of the outer groups, and the furthest that any of it was moved by the grid. */
function outerLoss(
  outer: readonly ShiftGroup[],
  all: readonly ShiftGroup[],
): { loss: LossLattice; maxMove: number } | undefined {
  const [first, ...rest] = outer.map(lossLattice);
  if (!first) return undefined;
  if (rest.length === 0 && first.probability.length <= ATOM_LIMIT) return { loss: first, maxMove: 0 };
  const mu = Math.sqrt(all.reduce((sum, group) => sum + group.unitShifts / group.sigmaSquared, 0));
  const gridStep = mu / GRID_STEPS_PER_MU;
  const loss = rest.reduce((sum, lattice) => addLosses(sum, onGrid(lattice, gridStep)), onGrid(first, gridStep));
  return { loss, maxMove: outer.length * gridStep };
}

function expectedDelta(inner: DeltaCurve, { lowest, step, probability }: LossLattice, epsilon: number): number {
  let sum = 0;
  for (let i = 0; i < probability.length; i++) {
    const mass = probability[i] ?? 0;
    if (mass > 0) sum += mass * inner(epsilon - (lowest + i * step));
  }
  return sum;
}

/**
 * Upper bound on what splitting atoms added to delta(epsilon). Only losses within w = `maxMove` of epsilon gain, each at most 1 - e^(-2w), as the hinge
 * (1 - e^(epsilon - L))_+ is linear in e^-L elsewhere; after the split they lie within 2w. The second difference below is a tent over [-4w, 4w] that is at
 * least e^(-2w) (1 - e^(-2w)) on [-2w, 2w].
 */
function gridExcess(curve: DeltaCurve, epsilon: number, maxMove: number): number {
  const fall = Math.exp(-4 * maxMove);
  const tent = curve(epsilon - 4 * maxMove) + fall * curve(epsilon + 4 * maxMove) - (1 + fall) * curve(epsilon);
  return Math.exp(2 * maxMove) * Math.max(0, tent);
}
