import { InvalidInputError } from '@fedcarbon/kernel';
import { type Correction, composeGroups, type Method, type PrivacyCurve } from './composition.ts';
import { type MechanismEvent, type ShiftGroup, shiftGroups } from './event.ts';
import { leastArgument } from './root.ts';

/** Smallest delta that the accountant resolves; tails below 1e-24 are cut off and added. */
export const MIN_DELTA = 1e-18;

export interface EpsilonResult {
  readonly epsilon: number;
  readonly method: Method;
  readonly corrections: readonly Correction[];
}

export interface DeltaResult {
  readonly delta: number;
  readonly method: Method;
  readonly corrections: readonly Correction[];
}

/** Answers what a multiset of events costs. Pure: equal questions get equal answers. */
export interface Accountant {
  epsilonOf(events: readonly MechanismEvent[], delta: number): EpsilonResult;
  deltaOf(events: readonly MechanismEvent[], epsilon: number): DeltaResult;
}

/**
 * Smallest epsilon >= 0 such that releasing all `events` (adaptively, in any order) is (epsilon, delta)-DP for one record added or removed; never below
 * the truth. 0 for no events. The order of events and their grouping into steps do not matter.
 * Throws InvalidInputError for an invalid event or a delta outside [1e-18, 1).
 */
export function epsilonOf(events: readonly MechanismEvent[], delta: number): EpsilonResult {
  assertDelta(delta);
  return epsilonOfGroups(shiftGroups(events), delta);
}

/**
 * Smallest delta such that releasing all `events` is (epsilon, delta)-DP for one record added or removed; never below the truth. 0 for no events.
 * Throws InvalidInputError for an invalid event or a negative epsilon.
 */
export function deltaOf(events: readonly MechanismEvent[], epsilon: number): DeltaResult {
  assertEpsilon(epsilon);
  return deltaOfGroups(shiftGroups(events), epsilon);
}

/**
 * An accountant that remembers its last `capacity` answers by the canonical multiset of events: clients of one plan ask the same questions round after
 * round, and a computed answer takes milliseconds.
 */
export function createAccountant(capacity = 1024): Accountant {
  const epsilons = new Map<string, EpsilonResult>();
  const deltas = new Map<string, DeltaResult>();
  return {
    epsilonOf(events, delta) {
      assertDelta(delta);
      const groups = shiftGroups(events);
      return recall(epsilons, capacity, `${delta} ${keyOf(groups)}`, () => epsilonOfGroups(groups, delta));
    },
    deltaOf(events, epsilon) {
      assertEpsilon(epsilon);
      const groups = shiftGroups(events);
      return recall(deltas, capacity, `${epsilon} ${keyOf(groups)}`, () => deltaOfGroups(groups, epsilon));
    },
  };
}

/** Throws InvalidInputError unless `delta` lies in [1e-18, 1). */
export function assertDelta(delta: number): void {
  if (!(delta >= MIN_DELTA && delta < 1)) {
    throw new InvalidInputError(`delta must be at least ${MIN_DELTA} and less than 1, found ${delta}`);
  }
}

function assertEpsilon(epsilon: number): void {
  if (!Number.isFinite(epsilon) || epsilon < 0) {
    throw new InvalidInputError(`epsilon must be a number of at least 0, found ${epsilon}`);
  }
}

function epsilonOfGroups(groups: readonly ShiftGroup[], delta: number): EpsilonResult {
  if (groups.length === 0) return { epsilon: 0, method: 'exact-lattice', corrections: [] };
  const curve = composeGroups(groups);
  const epsilon = leastEpsilon(curve, groups, delta);
  return { epsilon, method: curve.method, corrections: curve.corrections(epsilon) };
}

function leastEpsilon(curve: PrivacyCurve, groups: readonly ShiftGroup[], delta: number): number {
  if (curve.delta(0) <= delta) return 0;
  const muSquared = groups.reduce((sum, group) => sum + group.unitShifts / group.sigmaSquared, 0);
  // Start from zero-concentrated DP, rho = mu^2 / 2 (Canonne, Kamath, Steinke 2020): above the root, and of its size.
  const guess = muSquared / 2 + Math.sqrt(2 * muSquared * Math.log(1 / delta));
  return leastArgument(curve.delta, delta, guess);
}

function deltaOfGroups(groups: readonly ShiftGroup[], epsilon: number): DeltaResult {
  if (groups.length === 0) return { delta: 0, method: 'exact-lattice', corrections: [] };
  const curve = composeGroups(groups);
  return { delta: curve.delta(epsilon), method: curve.method, corrections: curve.corrections(epsilon) };
}

function keyOf(groups: readonly ShiftGroup[]): string {
  return groups.map(({ sigmaSquared, unitShifts }) => `${sigmaSquared}:${unitShifts}`).join(' ');
}

/** Least recently used: a Map keeps insertion order, so an answer is re-inserted whenever it is given. */
function recall<T>(memory: Map<string, T>, capacity: number, key: string, compute: () => T): T {
  const known = memory.get(key);
  const answer = known ?? compute();
  if (known !== undefined) memory.delete(key);
  memory.set(key, answer);
  if (memory.size > capacity) {
    const [oldest] = memory.keys();
    if (oldest !== undefined) memory.delete(oldest);
  }
  return answer;
}
