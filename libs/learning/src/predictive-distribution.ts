import { InvalidInputError } from '@fedcarbon/kernel';

/** Between the two levels that a confidence leaves out on each side, in the unit of the target. */
export interface PredictiveInterval {
  readonly low: number;
  readonly high: number;
}

/**
 * Where the outcome of a building is expected, with a probability of `confidence` in (0, 1): the prediction plus the errors of records that were predicted
 * without themselves, between the ranks that leave (1 - confidence) / 2 on each side. `errors` ascend, as in ResidualModel.
 *
 * This is the jackknife (Barber, Candes, Ramdas, Tibshirani 2021, section 1.2) with the ranks of conformal prediction (n + 1 instead of n). It supposes a
 * building like the fitted ones and has one width for all; a model that changes little when one record is left out covers nearly at `confidence`.
 * Undefined when there are too few errors for the ranks: 9 are needed for 0.8. Throws InvalidInputError for another confidence.
 */
export function predictiveInterval(
  prediction: number,
  errors: Float64Array,
  confidence: number,
): PredictiveInterval | undefined {
  if (!(confidence > 0 && confidence < 1)) {
    throw new InvalidInputError(`a confidence lies between 0 and 1, found ${String(confidence)}`);
  }
  const n = errors.length;
  // Binary fractions such as 10 * (1 - 0.8) / 2 fall a little short of whole ranks.
  const rank = Math.floor(((n + 1) * (1 - confidence)) / 2 + 1e-9);
  const [below, above] = [errors[rank - 1], errors[n - rank]];
  return below === undefined || above === undefined ? undefined : { low: prediction + below, high: prediction + above };
}

/**
 * Share of comparable buildings, in (0, 1), whose outcome is expected below `value`: its place in the same distribution, ties counted half
 * (conformal predictive systems, Vovk et al. 2019, equation 4 at tau = 1/2). Undefined without errors.
 */
export function predictivePercentile(prediction: number, errors: Float64Array, value: number): number | undefined {
  if (errors.length === 0) return undefined;
  const difference = value - prediction;
  const below = errors.filter((error) => error < difference).length;
  const equal = errors.filter((error) => error === difference).length;
  return (below + (equal + 1) / 2) / (errors.length + 1);
}
