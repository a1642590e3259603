import { InvalidInputError } from '@fedcarbon/kernel';

/** kappa of the step rule. Chosen on means over the three public data sets, not per deployment. */
export const STEP_KAPPA = 0.04;

/** Largest step, shared among the d features, that is taken when there is little or no noise. */
export const STEP_CAP = 0.5;

/** Public quantities that fix the step size; nothing here is computed from records. */
export interface StepSizeInputs {
  /** N, the public nominal number of records of the whole federation. */
  readonly nominalRecords: number;
  /** T, the planned rounds, without spare rounds. */
  readonly rounds: number;
  /** d, the number of features. */
  readonly features: number;
  /** Standard deviation per coordinate and round of the noise in the SUM over all holders, in integer units; 0 without noise. */
  readonly sigmaOfSum: number;
  /** Usually STEP_KAPPA. */
  readonly kappa: number;
  /** Usually STEP_CAP. */
  readonly cap: number;
}

/**
 * Learning rate min(cap, kappa * N / s / T) / d with s = sigmaOfSum / sqrt(T * d): the noise multiplier of the sum, as if all T rounds were one release
 * of sensitivity sqrt(T * d). More noise, smaller steps; nothing is tuned on private data.
 *
 * With spare rounds the noise is calibrated for T + spare releases, hence larger by sqrt(1 + spare / T); T stays the planned number here, so s grows with
 * the noise that is really added. With all noise at each of K holders, sigmaOfSum is sqrt(K) times a holder's sigma.
 * Throws InvalidInputError for a quantity that is not positive (sigmaOfSum: negative) or not finite.
 */
export function stepSize({ nominalRecords, rounds, features, sigmaOfSum, kappa, cap }: StepSizeInputs): number {
  for (const [name, value] of Object.entries({ nominalRecords, rounds, features, kappa, cap })) {
    if (!(value > 0 && Number.isFinite(value))) {
      throw new InvalidInputError(`the step rule needs a positive ${name}, found ${String(value)}`);
    }
  }
  if (!(sigmaOfSum >= 0 && Number.isFinite(sigmaOfSum))) {
    throw new InvalidInputError(`the step rule needs a sigmaOfSum of at least 0, found ${String(sigmaOfSum)}`);
  }
  const s = sigmaOfSum / Math.sqrt(rounds * features);
  return Math.min(cap, (kappa * nominalRecords) / s / rounds) / features;
}
