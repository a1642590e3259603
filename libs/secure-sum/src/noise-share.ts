import { InvalidInputError } from '@fedcarbon/kernel';

/** Exact samplers and JSON take variances in multiples of 1/64. */
const SIGMA_SQUARED_DENOMINATOR = 64;

/**
 * Variance parameter of each client's discrete Gaussian noise under `distributed` trust, so that any `minSurvivors` clients, without the noise that
 * `maxColluding` of them know, add up to at least `totalSigmaSquared`: totalSigmaSquared / (minSurvivors - maxColluding), rounded up to a multiple of 1/64.
 * The sum of the shares is not exactly a discrete Gaussian: see `sumOfDiscreteGaussiansTau`.
 * Throws InvalidInputError for a variance that is not positive and finite, and when no honest client would be left.
 */
export function noiseShare({
  totalSigmaSquared,
  minSurvivors,
  maxColluding,
}: {
  /** Variance parameter of the central noise, in squared integer units. */
  readonly totalSigmaSquared: number;
  /** K_min of the plan. */
  readonly minSurvivors: number;
  /** Survivors who tell the observer their own noise or leave it out. The observer itself counts, when it is a client. */
  readonly maxColluding: number;
}): { readonly sigmaSquared: number } {
  if (!(totalSigmaSquared > 0 && Number.isFinite(totalSigmaSquared))) {
    throw new InvalidInputError(`totalSigmaSquared must be a positive number, found ${totalSigmaSquared}`);
  }
  const honest = minSurvivors - maxColluding;
  if (!Number.isSafeInteger(minSurvivors) || !Number.isSafeInteger(maxColluding) || maxColluding < 0 || honest < 1) {
    throw new InvalidInputError(
      `minSurvivors must exceed maxColluding, both whole numbers, found ${minSurvivors} and ${maxColluding}`,
    );
  }
  let numerator = Math.ceil((totalSigmaSquared / honest) * SIGMA_SQUARED_DENOMINATOR);
  // The quotient may have been rounded down to a multiple; products of whole numbers this size are exact.
  while (numerator * honest < totalSigmaSquared * SIGMA_SQUARED_DENOMINATOR) numerator++;
  return { sigmaSquared: numerator / SIGMA_SQUARED_DENOMINATOR };
}
