import { countRecords, sensitivitySquared } from '@fedcarbon/benchmark';
import { encodeIntegers } from '@fedcarbon/codec';
import type { FederationPlan, RoundOpened } from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import { localSum } from '@fedcarbon/learning';
import { DiscreteGaussianSampler } from '@fedcarbon/privacy';
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
 * Throws InvalidInputError unless the plan charges what the releases of this file cost: an event that claims a smaller sensitivity than theirs, or another
 * trust, would make every epsilon of the plan a false one. The holder finds out by itself, before it takes part in anything.
 */
export function requireTrueCosts({ privacy, recipe, benchmarks }: FederationPlan): void {
  if (privacy.trust !== 'local') {
    throw new InvalidInputError(`the plan's trust is "${privacy.trust}", which is not available yet; only "local" is`);
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

/** The round's current iterate. Throws InvalidInputError unless a model round carries `length` finite numbers, and a benchmarks round none. */
export function roundWeights(opened: RoundOpened): Float64Array {
  const bytes = fromBase64Url(opened.weights);
  const expected = opened.purpose === 'model' ? 8 * opened.length : 0;
  if (bytes.length !== expected) {
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
 * The packed bytes that leave the site for a round: what the holder's records contribute, plus the whole noise N_Z(0, sigmaSquared) of the round's event
 * on every coordinate (trust `local`: nobody else's noise is counted on), modulo 2^bits. Each call draws fresh noise: call it once an attempt.
 * A holder without records sends noise alone.
 */
export function noisedRelease(
  plan: FederationPlan,
  opened: RoundOpened,
  records: HolderRecords,
  { random, noise }: { readonly random: RandomSource; readonly noise: Noise },
): Uint8Array {
  const { yRange, residualScale } = plan.recipe;
  const exact =
    opened.purpose === 'model'
      ? localSum(records.training, roundWeights(opened), { yRange, residualScale }, random)
      : countRecords(plan.benchmarks.layout, records.all);
  const added = noise(opened.event.sigmaSquared, exact.length);
  return encodeIntegers(
    exact.map((value, i) => value + (added[i] ?? 0)),
    opened.bits,
  );
}
