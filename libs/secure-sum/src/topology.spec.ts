import { describe, expect, it } from '@jest/globals';
import { sumModulo } from '@fedcarbon/codec';
import { utf8 } from '@fedcarbon/kernel';
import { blockOf, Federation, seededRandom, toySuite } from './federation.support.ts';
import { doubleMasking, type Graph, type Phase } from './index.ts';
import { nodeCrypto } from './node-crypto.support.ts';
import { buildTopology, completeThreshold, type Topology } from './topology.ts';

const members = (size: number) => Array.from({ length: size }, (_, i) => 2 * i + 1);
const sparse = (size: number, degree: number, threshold: number, seed: string): Topology =>
  buildTopology({ kind: 'sparse', degree, threshold }, members(size), nodeCrypto.sha256(utf8(seed)), nodeCrypto);

/** Second largest absolute eigenvalue of a regular graph, by power iteration on vectors orthogonal to the constant one. */
function secondEigenvalue(topology: Topology): number {
  const index = new Map(topology.members.map((member, i) => [member, i]));
  const around = topology.members.map((member) => topology.neighbours(member).map((other) => index.get(other)!));
  const random = seededRandom('power iteration');
  let vector = around.map(() => random.below(2001) - 1000);
  let norm = 1;
  for (let iteration = 0; iteration < 60; iteration++) {
    const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length;
    const centred = vector.map((value) => (value - mean) / norm);
    vector = around.map((others) => others.reduce((sum, other) => sum + centred[other]!, 0));
    norm = Math.hypot(...vector);
  }
  return norm;
}

describe('the complete graph', () => {
  it('has everybody as neighbour, holder and committee, and a threshold of floor(2n/3) + 1', () => {
    const topology = buildTopology({ kind: 'complete' }, [3, 5, 8, 9], new Uint8Array(), nodeCrypto);
    expect(topology.threshold).toBe(3);
    expect(topology.neighbours(5)).toEqual([3, 8, 9]);
    expect(topology.holders(5)).toEqual([3, 5, 8, 9]);
    expect(topology.holders(4)).toEqual([]);
    expect(topology.committee).toEqual([3, 5, 8, 9]);
    for (let n = 3; n <= 255; n++) {
      const t = completeThreshold(n);
      expect(t).toBeGreaterThan(n / 2);
      expect(3 * (2 * t - n)).toBeGreaterThan(n);
    }
    expect(() => buildTopology({ kind: 'complete' }, members(256), new Uint8Array(), nodeCrypto)).toThrow(/3 to 255/);
    expect(() => buildTopology({ kind: 'complete' }, members(2), new Uint8Array(), nodeCrypto)).toThrow(/3 to 255/);
  });
});

describe('the sparse graph', () => {
  it('is simple, symmetric and regular, follows from its seed, and changes with it', () => {
    for (const [size, degree] of [
      [12, 4],
      [40, 30],
      [101, 40],
    ] as const) {
      // prettier-ignore
      const topology = sparse(size, degree, degree, 'one');
      for (const member of members(size)) {
        const around = topology.neighbours(member);
        expect(new Set(around).size).toBe(degree);
        expect(around).not.toContain(member);
        for (const other of around) expect(topology.neighbours(other)).toContain(member);
        expect(topology.holders(member)).toEqual([...around, member].sort((a, b) => a - b));
      }
      expect(new Set(topology.committee).size).toBe(degree + 1);
      const list = (one: Topology) => members(size).map((member) => one.neighbours(member));
      expect(list(sparse(size, degree, degree, 'one'))).toEqual(list(topology));
      expect(list(sparse(size, degree, degree, 'two'))).not.toEqual(list(topology));
    }
  });

  it('draws neighbours uniformly: chi-square over 2000 seeds, false-alarm rate 1e-6', () => {
    const [size, degree, seeds] = [12, 4, 2000];
    const counts = new Map<number, number>();
    for (let seed = 0; seed < seeds; seed++) {
      for (const other of sparse(size, degree, 3, `uniform ${seed}`).neighbours(1)) {
        counts.set(other, (counts.get(other) ?? 0) + 1);
      }
    }
    const p = degree / (size - 1);
    // Counts of a uniform subset: with variance p (1 - p) each and a fixed total, the scaled sum is chi-square with size - 2 degrees of freedom.
    const statistic = members(size)
      .filter((member) => member !== 1)
      .reduce((sum, member) => sum + ((counts.get(member) ?? 0) - seeds * p) ** 2, 0);
    expect((statistic / (seeds * p * (1 - p))) * ((size - 2) / (size - 1))).toBeLessThan(48);
  });

  it('mixes as a random regular graph: second eigenvalue at most 2 sqrt(k - 1)', () => {
    for (const [size, degree] of [
      [101, 40],
      [200, 58],
      [500, 98],
    ] as const) {
      // prettier-ignore
      for (const seed of ['a', 'b']) {
        // The circulant that the switching starts from has one near the degree.
        expect(secondEigenvalue(sparse(size, degree, degree, seed))).toBeLessThan(2 * Math.sqrt(degree - 1));
      }
    }
  });

  it('refuses degrees and thresholds that cannot work', () => {
    expect(() => sparse(12, 5, 4, '')).toThrow(/even degree from 2 to 10, found 5/);
    expect(() => sparse(12, 12, 8, '')).toThrow(/even degree/);
    expect(() => sparse(300, 256, 200, '')).toThrow(/even degree from 2 to 254/);
    expect(() => sparse(12, 6, 3, '')).toThrow(/more than half of 7 holders, found 3/);
    expect(() => sparse(12, 6, 8, '')).toThrow(/found 8/);
  });
});

describe('double masking on a sparse graph', () => {
  const graph: Graph = { kind: 'sparse', degree: 10, threshold: 7 };

  it.each<Phase | 'nobody'>(['nobody', 'hello', 'shares', 'masked', 'consent', 'answer'])(
    'gives the right sum or none when two of 40 drop out in phase %s',
    (phase) => {
      const phases: Phase[] = ['hello', 'shares', 'masked', 'consent', 'answer'];
      let opened = 0;
      for (const seed of ['a', 'b', 'c']) {
        const block = blockOf(40, { rounds: 1, minSurvivors: 36, graph, suite: toySuite });
        const random = seededRandom(`${phase} ${seed}`);
        const lost = new Set(phase === 'nobody' ? [] : [random.below(40), random.below(40)]);
        const alive = (member: number, at: Phase) =>
          !lost.has(member) || phases.indexOf(at) < phases.indexOf(phase as Phase);
        const federation = new Federation(block, doubleMasking(block), { alive }, { suite: toySuite, seed });
        expect(federation.setUp()).toBe(true);
        const vectors = Array.from({ length: 40 }, (_, i) => Int32Array.of(i, -i, random.below(100)));
        const outcome = federation.run(0, vectors, 14);
        if (outcome.type !== 'opened') continue;
        opened++;
        expect(outcome.survivors).toEqual(
          vectors.flatMap((_, i) => (lost.has(i) && phases.indexOf(phase as Phase) < 3 ? [] : [i])),
        );
        expect(outcome.sum).toEqual(
          sumModulo(
            outcome.survivors.map((i) => vectors[i]!),
            14,
          ),
        );
      }
      expect(opened).toBeGreaterThan(0);
    },
  );

  it('shows each client the keys of its neighbours only', () => {
    const block = blockOf(40, { rounds: 1, minSurvivors: 36, graph, suite: toySuite });
    const federation = new Federation(block, doubleMasking(block), {}, { suite: toySuite });
    federation.setUp();
    const entry = 32 * 3 + 64;
    const roster = 10 + 2 + 40 * 3 + 10 * entry + 30 * 32 + 64;
    for (const facts of federation.clientFacts) expect(facts[1]).toHaveLength(1 + roster);
  });
});
