import { InvalidInputError } from '@fedcarbon/kernel';

/**
 * An integer-valued vector query released `steps` times, each time with fresh independent noise N_Z(0, sigmaSquared) on every coordinate.
 * Everything an accountant needs, and nothing else; stored in the ledger, so its meaning never changes.
 *
 * Adjacency is add or remove one record. One record changes at most `sensitivitySquared` coordinates of one step, each by -1, 0 or +1, so the L2
 * sensitivity is sqrt(sensitivitySquared) and one event costs at most steps * sensitivitySquared *unit shifts*.
 *
 * Why the worst case is every shift made, by exactly one:
 * - fewer shifts are the same pair of distributions with coordinates dropped (post-processing);
 * - the sign of a shift does not matter, N_Z(0, sigmaSquared) is symmetric;
 * - a shift drawn at random from {-1, 0, 1} (stochastic rounding) is a mixture of these, and the hockey-stick divergence is jointly convex;
 * - later steps may depend on earlier outputs: each step is dominated by the same fixed pair whatever came before, and dominating pairs compose
 *   adaptively (Zhu, Dong, Wang 2022, "Optimal Accounting of Differential Privacy via Characteristic Function", Theorem 10).
 */
export interface MechanismEvent {
  readonly kind: 'discreteGaussian';
  /** Parameter sigma^2 of the discrete Gaussian, in squared integer units: a positive multiple of 1/64, exact in JSON and for the exact sampler. */
  readonly sigmaSquared: number;
  /** How many coordinates one record can change by one. */
  readonly sensitivitySquared: number;
  readonly steps: number;
}

/** All unit shifts that were covered by noise of one variance. */
export interface ShiftGroup {
  readonly sigmaSquared: number;
  readonly unitShifts: number;
}

/** sigmaSquared is a multiple of 1/SIGMA_SQUARED_DENOMINATOR. */
export const SIGMA_SQUARED_DENOMINATOR = 64;

/** Throws InvalidInputError unless `sigmaSquared` is a positive multiple of 1/64. */
export function assertSigmaSquared(sigmaSquared: number): void {
  const numerator = sigmaSquared * SIGMA_SQUARED_DENOMINATOR;
  if (!Number.isSafeInteger(numerator) || numerator <= 0) {
    throw new InvalidInputError(`sigmaSquared must be a positive multiple of 1/64, found ${sigmaSquared}; round it up`);
  }
}

/** Throws InvalidInputError, naming the field and the value found, unless `event` is a valid event. */
export function assertEvent(event: MechanismEvent): void {
  const { kind, sigmaSquared, sensitivitySquared, steps } = event;
  if ((kind as string) !== 'discreteGaussian') {
    throw new InvalidInputError(`unknown mechanism kind "${kind}"; this accountant covers "discreteGaussian" only`);
  }
  assertSigmaSquared(sigmaSquared);
  assertPositiveInteger('sensitivitySquared', sensitivitySquared);
  assertPositiveInteger('steps', steps);
  assertPositiveInteger('steps * sensitivitySquared', steps * sensitivitySquared);
}

/** Throws InvalidInputError unless `value` is an integer from 1 to 2^53 - 1. */
export function assertPositiveInteger(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new InvalidInputError(`${name} must be a positive integer, found ${value}`);
  }
}

/** The events as one canonical multiset. Throws InvalidInputError for an invalid event, and for more unit shifts than a number can count. */
export function shiftGroups(events: readonly MechanismEvent[]): ShiftGroup[] {
  events.forEach(assertEvent);
  const groups = mergeGroups(
    events.map(({ sigmaSquared, sensitivitySquared, steps }) => ({
      sigmaSquared,
      unitShifts: sensitivitySquared * steps,
    })),
  );
  for (const { sigmaSquared, unitShifts } of groups) {
    assertPositiveInteger(`the number of unit shifts at sigmaSquared ${sigmaSquared}`, unitShifts);
  }
  return groups;
}

/** Unit shifts added up per sigmaSquared, in ascending sigmaSquared: order and grouping do not matter. */
export function mergeGroups(groups: readonly ShiftGroup[]): ShiftGroup[] {
  const totals = new Map<number, number>();
  for (const { sigmaSquared, unitShifts } of groups)
    totals.set(sigmaSquared, (totals.get(sigmaSquared) ?? 0) + unitShifts);
  return [...totals]
    .map(([sigmaSquared, unitShifts]) => ({ sigmaSquared, unitShifts }))
    .sort((a, b) => a.sigmaSquared - b.sigmaSquared);
}

/**
 * mu^2 of the continuous Gaussian mechanism with the same noise: sum of steps * sensitivitySquared / sigmaSquared. Additive over events, hence fit for
 * showing shares of a budget. It is not a privacy guarantee: that is `epsilonOf`.
 */
export function muSquaredOf(events: readonly MechanismEvent[]): number {
  return shiftGroups(events).reduce((sum, group) => sum + group.unitShifts / group.sigmaSquared, 0);
}
