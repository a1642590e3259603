import type { Plan } from './format.ts';
import { releaseOf } from './format.ts';

/** Covers the rounding of the few thousand operations behind a distance. */
const ROUNDING = 1 - 2 ** -44;

/** What is wrong with the shares of noise that a plan has its holders add, each in a sentence; nothing for a plan without a secure sum. */
export function noiseShareProblems(plan: Plan): string[] {
  const { secureSum, epsilon } = plan.privacy;
  if (!secureSum) return [];
  const { minSurvivors, maxColluding, shareSigmaSquared, noiseDistanceDelta } = secureSum;
  const honest = minSurvivors - maxColluding;
  const problems: string[] = [];
  const { quorum } = plan.round;
  if (quorum < minSurvivors) {
    problems.push(`sums of ${quorum} may be released, the noise is that of ${minSurvivors} survivors at least`);
  }
  let distance = 0;
  for (const purpose of ['model', 'benchmarks'] as const) {
    const { event, sensitivitySquared, rounds } = releaseOf(plan, purpose);
    const share = shareSigmaSquared[purpose];
    if (honest * share < event.sigmaSquared) {
      problems.push(
        `${honest} honest survivors' shares of the ${purpose} noise add up to variance ${honest * share}, the event says ${event.sigmaSquared}`,
      );
    }
    distance += distanceDelta(share, honest, sensitivitySquared * rounds, epsilon);
  }
  if (noiseDistanceDelta < distance * ROUNDING) {
    problems.push(
      `noiseDistanceDelta is ${noiseDistanceDelta}, the sums of shares are up to ${distance} from the noise`,
    );
  }
  return problems;
}

/**
 * Delta that pays for taking a sum of `shares` N_Z(0, share) for N_Z(0, shares * share) in `coordinates` places. Kairouz, Liu, Steinke 2021, "The
 * Distributed Discrete Gaussian Mechanism": the log-ratio of the two is within tau / 2, so their total variation is at most tanh(tau / 4) a place;
 * exchanging both neighbours' distributions in (epsilon, delta) costs 1 + e^epsilon times that.
 */
function distanceDelta(share: number, shares: number, coordinates: number, epsilon: number): number {
  let tau = 0;
  for (let merged = 1; merged < shares; merged++) {
    tau += 10 * Math.exp((-2 * Math.PI ** 2 * share * merged) / (merged + 1));
  }
  return (1 + Math.exp(epsilon)) * coordinates * Math.tanh(tau / 4);
}
