import { InvalidInputError } from '@fedcarbon/kernel';
import { assertDelta, type EpsilonResult, epsilonOf } from './accountant.ts';
import { analyticGaussianMu, assertPositive } from './analytic-gaussian.ts';
import { composeGroups } from './composition.ts';
import {
  assertPositiveInteger,
  type MechanismEvent,
  mergeGroups,
  type ShiftGroup,
  SIGMA_SQUARED_DENOMINATOR,
} from './event.ts';
import { leastArgument } from './root.ts';

/** One use of a budget: what it releases, and its share of mu^2. */
export interface CalibrationPart {
  /** Of mu^2; the shares of all parts sum to 1. */
  readonly share: number;
  readonly sensitivitySquared: number;
  readonly steps: number;
}

export interface CalibrationRequest {
  readonly epsilon: number;
  readonly delta: number;
  readonly parts: readonly CalibrationPart[];
}

export interface Calibration {
  /** The noise of each part, in the order of the request. */
  readonly parts: readonly { readonly sigmaSquared: number }[];
  /** What all parts cost together: never above the requested epsilon. */
  readonly total: EpsilonResult;
}

/**
 * The least noise, in the proportions that `share` asks for, with which all parts together cost at most `epsilon` at `delta`. Starts from the continuous
 * Gaussian, sigma_i^2 = sensitivitySquared * steps / (share * mu^2), and moves all parts by one common factor; every sigma^2 is rounded up to 1/64.
 * Throws InvalidInputError for shares that do not sum to 1 (within 1e-9), and for anything not positive.
 */
export function calibrate({ epsilon, delta, parts }: CalibrationRequest): Calibration {
  assertPositive('epsilon', epsilon);
  assertDelta(delta);
  for (const { share, sensitivitySquared, steps } of parts) {
    assertPositive('share', share);
    assertPositiveInteger('sensitivitySquared', sensitivitySquared);
    assertPositiveInteger('steps', steps);
  }
  const shares = parts.reduce((sum, { share }) => sum + share, 0);
  if (!(Math.abs(shares - 1) <= 1e-9)) {
    throw new InvalidInputError(`the shares of mu^2 must sum to 1, found ${shares}`);
  }

  const muSquared = analyticGaussianMu(epsilon, delta) ** 2;
  const groupsAt = (factor: number): ShiftGroup[] =>
    parts.map(({ share, sensitivitySquared, steps }) => ({
      sigmaSquared: (factor * sensitivitySquared * steps) / (share * muSquared),
      unitShifts: sensitivitySquared * steps,
    }));
  let factor = leastArgument(
    (candidate) => composeGroups(mergeGroups(groupsAt(candidate))).delta(epsilon),
    delta,
    1,
    1e-6,
  );
  for (;;) {
    const rounded = groupsAt(factor).map(({ sigmaSquared }) => ({ sigmaSquared: roundUp(sigmaSquared) }));
    const events = parts.map(({ sensitivitySquared, steps }, i): MechanismEvent => ({
      kind: 'discreteGaussian',
      sigmaSquared: rounded[i]?.sigmaSquared ?? 0,
      sensitivitySquared,
      steps,
    }));
    const total = epsilonOf(events, delta);
    if (total.epsilon <= epsilon) return { parts: rounded, total };
    // More noise costs less, but a bound on a grid that has moved, or a coarse lattice, may differ in its last digits.
    factor *= 1 + 1e-5;
  }
}

function roundUp(sigmaSquared: number): number {
  return Math.ceil(sigmaSquared * SIGMA_SQUARED_DENOMINATOR) / SIGMA_SQUARED_DENOMINATOR;
}
