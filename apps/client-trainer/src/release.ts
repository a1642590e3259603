import { countRecords, sensitivitySquared } from '@fedcarbon/benchmark';
import type { FederationPlan, MechanismEvent, Purpose, RoundOpened, SecureSumPlan } from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import { localSum } from '@fedcarbon/learning';
import { DiscreteGaussianSampler } from '@fedcarbon/privacy';
import { modelLength, roundShare } from '@fedcarbon/round';
import { deltaOfNoiseShares, leastSurvivors, sumOfDiscreteGaussiansTau } from '@fedcarbon/secure-sum';
import type { HolderRecords } from './holder-records.ts';
import type { Noise } from './ports.ts';

/** Noise from the exact sampler; `random` must be a CSPRNG. */
export function exactNoise(random: RandomSource): Noise {
  return (sigmaSquared, length) => {
    const samples = new Int32Array(length);
    new DiscreteGaussianSampler(sigmaSquared, random).fill(samples);
    return samples;
  };
}

/**
 * Throws InvalidInputError unless the plan charges what the releases of this file cost: an event that claims a smaller sensitivity than theirs, or more noise
 * than the holders' shares add up to, would make every epsilon of the plan a false one. The holder finds out by itself, before it takes part in anything.
 */
export function requireTrueCosts({ privacy, recipe, benchmarks, regions }: FederationPlan): void {
  const { trust, secureSum } = privacy;
  if (trust === 'none' || (trust === 'distributed') !== (secureSum !== null)) {
    throw new InvalidInputError(
      `the plan's trust is "${trust}" ${secureSum === null ? 'without' : 'with'} a secure sum; a trainer takes part under "local" without one and "distributed" with one`,
    );
  }
  if (secureSum !== null) {
    const members = regions.reduce((count, region) => count + region.members.length, 0);
    const events = { model: recipe.event, benchmarks: benchmarks.event };
    const steps = { model: recipe.rounds + recipe.spareRounds, benchmarks: 1 };
    requireTrueShares(secureSum, { members, epsilon: privacy.epsilon, events, steps });
  }
  const costs = [
    ['recipe.event', recipe.event, recipe.binsPerFeature.length],
    ['benchmarks.event', benchmarks.event, sensitivitySquared(benchmarks.layout)],
  ] as const;
  for (const [place, event, sensitivity] of costs) {
    if (event.sensitivitySquared === sensitivity && event.steps === 1) continue;
    throw new InvalidInputError(
      `${place} claims a squared sensitivity of ${String(event.sensitivitySquared)} in ${String(event.steps)} steps; the release has ${String(sensitivity)} in 1`,
    );
  }
}

/**
 * Under trust `distributed` the noise that is charged must be there however the sum comes about: K_min survivors, of whom some collude; a delta that pays for
 * the shares' sum not being a discrete Gaussian; and a K_min that the protocol allows.
 */
function requireTrueShares(
  { protocol, minSurvivors, maxColluding, shareSigmaSquared, noiseDistanceDelta }: SecureSumPlan,
  {
    members,
    epsilon,
    events,
    steps,
  }: {
    readonly members: number;
    readonly epsilon: number;
    readonly events: Readonly<Record<Purpose, MechanismEvent>>;
    readonly steps: Readonly<Record<Purpose, number>>;
  },
): void {
  const least = leastSurvivors(protocol, members);
  if (minSurvivors < least || minSurvivors > members) {
    throw new InvalidInputError(
      `secureSum.minSurvivors is ${String(minSurvivors)}; of ${String(members)} members it takes at least ${String(least)}`,
    );
  }
  const honest = minSurvivors - maxColluding;
  let distance = 0;
  for (const purpose of ['model', 'benchmarks'] as const) {
    const share = shareSigmaSquared[purpose];
    const { sigmaSquared, sensitivitySquared } = events[purpose];
    if (!(honest >= 1 && honest * share >= sigmaSquared)) {
      throw new InvalidInputError(
        `the ${purpose} event claims noise of variance ${String(sigmaSquared)}; ${String(honest)} honest holders with ${String(share)} each add up to ${String(honest * share)}`,
      );
    }
    const tau = sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: share, shares: honest });
    distance += deltaOfNoiseShares({ tau, unitShifts: steps[purpose] * sensitivitySquared, epsilon });
  }
  if (noiseDistanceDelta < distance) {
    throw new InvalidInputError(
      `secureSum.noiseDistanceDelta is ${String(noiseDistanceDelta)}; the noise shares need at least ${String(distance)}`,
    );
  }
}

/**
 * The weights that a round carries: the current iterate, or with the benchmarks round the published model, if there is one. Throws InvalidInputError unless
 * they are as many finite numbers as the plan's model has weights.
 */
export function roundWeights(plan: FederationPlan, opened: RoundOpened): Float64Array {
  const bytes = fromBase64Url(opened.weights);
  const expected = 8 * modelLength(plan);
  const none = opened.purpose === 'benchmarks' && bytes.length === 0;
  if (bytes.length !== expected && !none) {
    throw new InvalidInputError(
      `round ${opened.roundId}: the weights must take ${String(expected)} bytes, found ${String(bytes.length)}`,
      { code: 'not_in_plan' },
    );
  }
  const view = new DataView(bytes.buffer);
  const weights = Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
  if (!weights.every(Number.isFinite)) {
    throw new InvalidInputError(`round ${opened.roundId}: a weight is not a finite number`, { code: 'not_in_plan' });
  }
  return weights;
}

/**
 * What the holder contributes to a round: exact integers of its records, plus noise N_Z(0, roundShare) on every coordinate. Under trust `local` that is the
 * whole noise of the round's event and nobody else's is counted on; under `distributed` it is the holder's share of it, and the integers may only leave masked.
 * Each call draws fresh noise. A holder without records contributes noise alone.
 */
export function noisedIntegers(
  plan: FederationPlan,
  opened: RoundOpened,
  records: HolderRecords,
  { random, noise }: { readonly random: RandomSource; readonly noise: Noise },
): Int32Array {
  const { yRange, residualScale } = plan.recipe;
  const exact =
    opened.purpose === 'model'
      ? localSum(records.training, roundWeights(plan, opened), { yRange, residualScale }, random)
      : countRecords(plan.benchmarks.layout, records.all);
  const added = noise(roundShare(plan, opened.purpose), exact.length);
  return exact.map((value, i) => value + (added[i] ?? 0));
}
