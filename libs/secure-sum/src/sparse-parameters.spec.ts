import { describe, expect, it } from '@jest/globals';
import { utf8 } from '@fedcarbon/kernel';
import { seededRandom } from './federation.support.ts';
import { completeThreshold, graphFor, maskingCost, sparseParameters } from './index.ts';
import { nodeCrypto } from './node-crypto.support.ts';
import { buildTopology } from './topology.ts';

/** P[X >= least] for `drawn` of `population` with `marked` marked ones, in exact integers. */
function exactTail(population: number, marked: number, drawn: number, least: number): number {
  const choose = (n: number, k: number): bigint => {
    let result = 1n;
    for (let i = 0; i < k; i++) result = (result * BigInt(n - i)) / BigInt(i + 1);
    return k > n ? 0n : result;
  };
  let ways = 0n;
  for (let i = Math.max(0, least); i <= Math.min(marked, drawn); i++) {
    ways += choose(marked, i) * choose(population - marked, drawn - i);
  }
  const scale = 10n ** 40n;
  return Number((ways * scale) / choose(population, drawn)) / 1e40;
}

describe('sparseParameters', () => {
  it('states the hypergeometric bounds', () => {
    const options = { securityBits: 10, grindingBits: 0, livenessBits: 10 };
    const requirements = { clients: 300, corruptFraction: 0.1, dropoutFraction: 0.1, ...options };
    const { degree, threshold, log2SecurityFailure, log2LivenessFailure } = sparseParameters(requirements);
    const security = 301 * exactTail(300 - 30 - 1, 30, degree, 2 * threshold - (degree + 1));
    const liveness = 301 * exactTail(299, 30, degree, degree + 2 - threshold);
    expect(2 ** log2SecurityFailure / security).toBeCloseTo(1, 6);
    expect(2 ** log2LivenessFailure / liveness).toBeCloseTo(1, 6);
    expect(log2SecurityFailure).toBeLessThanOrEqual(-10);
    expect(log2LivenessFailure).toBeLessThanOrEqual(-10);
  });

  it('keeps its promises on drawn graphs: failures of secrecy and liveness are no more frequent than stated', () => {
    // Weak on purpose, so that failures occur. 200 graphs; a rate above the bound by five standard errors has chance below 1e-6.
    const requirements = { clients: 120, corruptFraction: 0.15, dropoutFraction: 0.15, securityBits: 3, grindingBits: 0, livenessBits: 3 }; // prettier-ignore
    const { degree, threshold } = sparseParameters(requirements);
    const members = Array.from({ length: 120 }, (_, i) => i);
    let [leaks, stalls] = [0, 0];
    for (let seed = 0; seed < 200; seed++) {
      const topology = buildTopology(
        { kind: 'sparse', degree, threshold },
        members,
        nodeCrypto.sha256(utf8(`${seed}`)),
        nodeCrypto,
      );
      // Who is corrupt or drops out is fixed before the graph is drawn.
      const corrupt = (member: number) => member < 18;
      const gone = (member: number) => member >= 102;
      const count = (holders: readonly number[], which: (member: number) => boolean) => holders.filter(which).length;
      const honest = members.filter((member) => !corrupt(member));
      const enough = 2 * threshold - (degree + 1);
      if ([...honest.map(topology.holders), topology.committee].some((group) => count(group, corrupt) >= enough))
        leaks++;
      const alive = members.filter((member) => !gone(member));
      if (alive.some((member) => count(topology.holders(member), (one) => !gone(one)) < threshold)) stalls++;
    }
    const limit = 2 ** -3 + 5 * Math.sqrt((2 ** -3 * (1 - 2 ** -3)) / 200);
    expect(leaks / 200).toBeLessThan(limit);
    expect(stalls / 200).toBeLessThan(limit);
    expect(leaks + stalls).toBeGreaterThan(0);
  });

  it('survivors’ honest parts hang together on drawn graphs, also when the worst neighbours of one client are dropped', () => {
    const { degree, threshold } = sparseParameters({ clients: 101, corruptFraction: 0.1, dropoutFraction: 0.1 });
    const members = Array.from({ length: 101 }, (_, i) => i);
    const random = seededRandom('hanging together');
    for (let seed = 0; seed < 20; seed++) {
      const topology = buildTopology(
        { kind: 'sparse', degree, threshold },
        members,
        nodeCrypto.sha256(utf8(`${seed}`)),
        nodeCrypto,
      );
      const victim = random.below(101);
      const corrupt = new Set(topology.neighbours(victim).slice(0, 5));
      for (const member of members) if (corrupt.size < 10 && member !== victim) corrupt.add(member);
      const dropped = new Set(topology.neighbours(victim).filter((member) => !corrupt.has(member)).slice(0, 10)); // prettier-ignore
      const left = new Set(members.filter((member) => !corrupt.has(member) && !dropped.has(member)));
      const reached = new Set([victim]);
      for (const member of reached) {
        for (const other of topology.neighbours(member)) if (left.has(other)) reached.add(other);
      }
      expect(reached.size).toBe(left.size);
    }
  });

  it('grows as a logarithm: masks, shares and signatures per client for 20 to 1000 clients', () => {
    const table = [20, 50, 100, 200, 500, 1000].map((clients) => {
      const graph = graphFor({ clients, corruptFraction: 0.1, dropoutFraction: 0.1 });
      const cost = maskingCost({ clients, rounds: 25, graph, length: 51, bits: 12 });
      return [clients, cost.masksPerRound, cost.sharesPerRound, cost.signaturesPerRound];
    });
    expect(table).toEqual([
      [20, 20, 20, 14],
      [50, 50, 50, 34],
      [100, 100, 100, 67],
      [200, 59, 59, 42],
      [500, 99, 99, 72],
      [1000, 125, 125, 91],
    ]);
    expect(graphFor({ clients: 100, corruptFraction: 0.1, dropoutFraction: 0.1 })).toEqual({ kind: 'complete' });
    expect(completeThreshold(100)).toBe(67);
  });

  it('refuses what no graph withstands', () => {
    expect(() => sparseParameters({ clients: 101, corruptFraction: 0.45, dropoutFraction: 0.4 })).toThrow(
      /no sparse graph of 101/,
    );
    expect(() => sparseParameters({ clients: 101, corruptFraction: 0.5, dropoutFraction: 0 })).toThrow(
      /corruptFraction must be/,
    );
  });
});
