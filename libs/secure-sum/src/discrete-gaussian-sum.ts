import { InvalidInputError } from '@fedcarbon/kernel';

/** Covers the rounding of a sum of a few thousand positive terms. */
const ROUNDING = 1 + 2 ** -40;

/**
 * How far the sum of `shares` independent N_Z(0, sigmaSquaredPerShare) is from N_Z(0, shares * sigmaSquaredPerShare):
 *
 *     tau = 10 * sum over k = 1 .. shares - 1 of exp(-2 pi^2 sigmaSquaredPerShare k / (k + 1))
 *
 * At every integer the logarithm of the ratio of the two probabilities is at most tau / 2 in absolute value: one convolution of N_Z(0, a) and N_Z(0, b)
 * costs 5 exp(-2 pi^2 / (1/a + 1/b)), and the shares are added one by one (Kairouz, Liu, Steinke 2021, "The Distributed Discrete Gaussian Mechanism for
 * Federated Learning with Secure Aggregation", the convolution lemma and the tau of the main theorem). Zero for one share; below 1e-308 it becomes zero,
 * which no accountant can tell from the truth. Throws InvalidInputError for a variance below 1/4, where the lemma does not hold.
 */
export function sumOfDiscreteGaussiansTau({
  sigmaSquaredPerShare,
  shares,
}: {
  readonly sigmaSquaredPerShare: number;
  readonly shares: number;
}): number {
  if (!(sigmaSquaredPerShare >= 0.25)) {
    throw new InvalidInputError(`a share needs a variance of at least 1/4, found ${sigmaSquaredPerShare}`);
  }
  if (!Number.isSafeInteger(shares) || shares < 1) {
    throw new InvalidInputError(`the number of shares must be a positive integer, found ${shares}`);
  }
  let sum = 0;
  for (let k = 1; k < shares; k++) sum += Math.exp((-2 * Math.PI ** 2 * sigmaSquaredPerShare * k) / (k + 1));
  return 10 * sum * ROUNDING;
}

/**
 * What to add to delta when an accountant computed (epsilon, delta) for N_Z(0, K s) and the noise was a sum of K shares N_Z(0, s). Only coordinates in
 * which neighbouring data differ count, over all steps: `unitShifts` as in @fedcarbon/privacy. Probabilities whose ratio lies within e^(+-tau/2) differ by
 * at most tanh(tau / 4) in total variation, `unitShifts` coordinates by that many times as much; replacing both sides of the definition of differential
 * privacy costs 1 + e^epsilon times the distance.
 */
export function deltaOfNoiseShares({
  tau,
  unitShifts,
  epsilon,
}: {
  /** From `sumOfDiscreteGaussiansTau`. */
  readonly tau: number;
  readonly unitShifts: number;
  readonly epsilon: number;
}): number {
  return (1 + Math.exp(epsilon)) * unitShifts * Math.tanh(tau / 4) * ROUNDING;
}
