import { InvalidInputError } from '@fedcarbon/kernel';
import { MAX_SHARES } from './shamir.ts';
import type { Graph } from './topology.ts';

/** What a sparse graph must withstand. */
export interface SparseRequirements {
  /** Clients of the plan. */
  readonly clients: number;
  /** gamma: largest part of the plan's clients that works with the coordinator. */
  readonly corruptFraction: number;
  /** delta: largest part of the plan's clients that drops out, before or during a round. */
  readonly dropoutFraction: number;
  /** The chance that secrecy fails is at most 2^-securityBits. */
  readonly securityBits?: number;
  /** The seed of the graph is a hash of everybody's keys, so who speaks last can try 2^grindingBits seeds; all of them count as chances. */
  readonly grindingBits?: number;
  /** The chance that a round is abandoned although no more clients than allowed drop out is at most 2^-livenessBits. */
  readonly livenessBits?: number;
}

export interface SparseParameters {
  readonly degree: number;
  readonly threshold: number;
  /** log2 of the bound on the chance that secrecy fails in a block, grinding included. */
  readonly log2SecurityFailure: number;
  /** log2 of the bound on the chance that a round is abandoned for want of holders. */
  readonly log2LivenessFailure: number;
}

/** Up to here everybody masks with everybody. */
export const MAX_COMPLETE_CLIENTS = 100;

/** The graph for a federation of this size: complete up to 100 clients, sparse above. */
export function graphFor(requirements: SparseRequirements): Graph {
  if (requirements.clients <= MAX_COMPLETE_CLIENTS) return { kind: 'complete' };
  const { degree, threshold } = sparseParameters(requirements);
  return { kind: 'sparse', degree, threshold };
}

/**
 * The smallest even degree k, with a threshold t of k + 1 holders, for which (Bell et al. 2020, "Secure Single-Server Aggregation with (Poly)Logarithmic
 * Overhead", malicious setting, the survivors certified by a committee of k + 1):
 *
 * 1. secrecy: no honest client has 2t - (k + 1) or more confederates of the coordinator among its holders. Then of its two secrets of a round at most one
 *    can be opened, as an honest holder answers once; and in the committee no two sets of survivors get t signatures. Neighbours of one vertex are a
 *    uniform subset, so this is a hypergeometric tail, times clients + 1 (the committee), times 2^grindingBits. The dropouts are taken to be gone from
 *    the roster already, which makes the confederates' part largest.
 * 2. liveness: every client has t holders who answer; the same tail with the dropouts, over the full roster.
 * 3. connection: the survivors' honest part falls apart nowhere, whoever the coordinator drops. Clients answer only while each of them has t holders
 *    among the survivors, so in a part of s n honest survivors everybody has d = t - 1 - (confederates around one client) neighbours; by the expander
 *    mixing lemma d <= k s + lambda, and two parts of the honest survivors without an edge between them satisfy s1 s2 n^2 <= (lambda n / k)^2. With
 *    lambda = 2 sqrt(k - 1), that of a random regular graph (Friedman 2008; tested on our graphs), both cannot hold.
 *
 * Throws InvalidInputError when no degree below 255 and below the number of clients will do.
 */
export function sparseParameters(requirements: SparseRequirements): SparseParameters {
  const { clients, corruptFraction, dropoutFraction } = requirements;
  const { securityBits = 40, grindingBits = 40, livenessBits = 20 } = requirements;
  for (const [name, fraction] of Object.entries({ corruptFraction, dropoutFraction })) {
    if (!(fraction >= 0 && fraction < 1 / 2))
      throw new InvalidInputError(`${name} must be from 0 to 1/2, found ${fraction}`);
  }
  const corrupt = Math.floor(corruptFraction * clients);
  const dropouts = Math.floor(dropoutFraction * clients);
  const tail = hypergeometricTail(clients);
  for (let degree = 2; degree + 1 < clients - dropouts && degree + 1 <= MAX_SHARES; degree += 2) {
    for (let threshold = Math.floor((degree + 1) / 2) + 1; threshold <= degree + 1; threshold++) {
      const limit = 2 * threshold - (degree + 1);
      const log2SecurityFailure =
        Math.log2(clients + 1) + tail(clients - dropouts - 1, corrupt, degree, limit) + grindingBits;
      const log2LivenessFailure = Math.log2(clients + 1) + tail(clients - 1, dropouts, degree, degree + 2 - threshold);
      if (log2SecurityFailure > -securityBits || log2LivenessFailure > -livenessBits) continue;
      const around = Math.min(corrupt, limit - 1);
      if (!holdsTogether(degree, threshold - 1 - around, 1 - (corrupt + dropouts) / clients)) continue;
      return { degree, threshold, log2SecurityFailure, log2LivenessFailure };
    }
  }
  throw new InvalidInputError(
    `no sparse graph of ${clients} clients withstands ${corrupt} confederates and ${dropouts} dropouts; use the complete graph or allow fewer`,
  );
}

/** Condition 3: the smallest closed part, and no edge-free pair of parts. */
function holdsTogether(degree: number, innerDegree: number, honestSurvivors: number): boolean {
  const mixing = (2 * Math.sqrt(degree - 1)) / degree;
  const smallest = innerDegree / degree - mixing;
  return smallest > honestSurvivors / 2 || (smallest > 0 && smallest * (honestSurvivors - smallest) > mixing ** 2);
}

/** log2 of P[X >= least], X the marked ones among `drawn` of `population` with `marked` marked; -Infinity when that cannot be. */
function hypergeometricTail(maxPopulation: number) {
  const logFactorial = new Float64Array(maxPopulation + 1);
  for (let i = 2; i <= maxPopulation; i++) logFactorial[i] = (logFactorial[i - 1] as number) + Math.log2(i);
  const choose = (n: number, k: number): number =>
    k < 0 || k > n
      ? -Infinity
      : (logFactorial[n] as number) - (logFactorial[k] as number) - (logFactorial[n - k] as number);
  return (population: number, marked: number, drawn: number, least: number): number => {
    let log2 = -Infinity;
    for (let i = Math.max(0, least); i <= Math.min(drawn, marked); i++) {
      const term = choose(marked, i) + choose(population - marked, drawn - i) - choose(population, drawn);
      const [low, high] = term < log2 ? [term, log2] : [log2, term];
      if (high > -Infinity) log2 = high + Math.log2(1 + 2 ** (low - high));
    }
    return log2;
  };
}
