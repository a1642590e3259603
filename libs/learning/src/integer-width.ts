import { InvalidInputError } from '@fedcarbon/kernel';

/** Standard deviations of noise that must fit beside the signal; a coordinate wraps with a chance of about 1e-9 per side and round. */
const STANDARD_DEVIATIONS = 6;

/**
 * Width in bits of the integers of a round: the smallest b with N + 6 sd < 2^(b-1), so that the sum over all holders, at most N in magnitude before
 * noise, is read back without wrapping. A wrap would cost accuracy, never privacy. `nominalRecords` is the public N, `sdOfSum` the standard deviation
 * per coordinate of the noise in the sum.
 * Throws InvalidInputError for unusable inputs and when more than 31 bits would be needed.
 */
export function integerWidth({ nominalRecords, sdOfSum }: { nominalRecords: number; sdOfSum: number }): number {
  if (!(nominalRecords > 0 && sdOfSum >= 0)) {
    throw new InvalidInputError(
      `the width needs nominalRecords > 0 and sdOfSum >= 0, found ${String(nominalRecords)} and ${String(sdOfSum)}`,
    );
  }
  const largest = nominalRecords + STANDARD_DEVIATIONS * sdOfSum;
  for (let bits = 2; bits <= 31; bits++) {
    if (largest < 2 ** (bits - 1)) return bits;
  }
  throw new InvalidInputError(
    `sums of up to ${String(largest)} do not fit 31 bits; fewer nominal records or less noise would`,
  );
}
