import { InvalidInputError } from '@fedcarbon/kernel';
import { context, KEY_BYTES, type SecureSumCrypto } from './crypto.ts';
import { MAX_SHARES } from './shamir.ts';

/**
 * Who masks with whom, who holds whose shares, and who certifies the survivors. `complete`: everybody with everybody (Bonawitz et al. 2017).
 * `sparse`: a random regular graph (Bell et al. 2020); `sparseParameters` chooses its numbers, which belong into the plan.
 */
export type Graph =
  | { readonly kind: 'complete' }
  | {
      readonly kind: 'sparse';
      /** Neighbours of each client, even. */
      readonly degree: number;
      /** Shares that open a secret, of degree + 1; signatures that certify survivors, of as large a committee. */
      readonly threshold: number;
    };

/** A graph over the clients of one block. Clients are known by their place in the plan. */
export interface Topology {
  /** Clients of the block, ascending. */
  readonly members: readonly number[];
  /** How many holders' shares open a secret, and how many signatures of the committee certify a set of survivors. */
  readonly threshold: number;
  /** Ascending. Symmetric: i is a neighbour of j when j is one of i. */
  neighbours(member: number): readonly number[];
  /** The neighbours and the client itself, ascending: those who hold a share of its secrets, and those of whose secrets it holds a share. */
  holders(member: number): readonly number[];
  /** Ascending. */
  readonly committee: readonly number[];
}

/** Threshold t of a complete graph of n clients: floor(2 n / 3) + 1, so that two sets of t clients have more than n / 3 in common. */
export function completeThreshold(clients: number): number {
  return Math.floor((2 * clients) / 3) + 1;
}

/**
 * Whether `holder` is sent its share of the secrets of `dealer`: it comes soon after the dealer in the circle of the dealer's holders. The t - 1 holders
 * before the dealer are sent nothing (`dealShares`). So everybody sends, and on average gets, holders - t shares.
 */
export function isSentShare({ holders, threshold }: Topology, dealer: number, holder: number): boolean {
  const circle = holders(dealer);
  const after = (circle.indexOf(holder) - circle.indexOf(dealer) + circle.length) % circle.length;
  return after > 0 && after <= circle.length - threshold;
}

/** Throws InvalidInputError when there are too few or too many members for the graph. `seed` must not be known before the members are fixed. */
export function buildTopology(
  graph: Graph,
  members: readonly number[],
  seed: Uint8Array,
  crypto: SecureSumCrypto,
): Topology {
  return graph.kind === 'complete' ? completeTopology(members) : sparseTopology(graph, members, seed, crypto);
}

function completeTopology(members: readonly number[]): Topology {
  if (members.length < 3 || members.length > MAX_SHARES) {
    throw new InvalidInputError(
      `a complete graph takes 3 to ${MAX_SHARES} clients, found ${members.length}; use a sparse one above`,
    );
  }
  const neighbours = new Map(members.map((member) => [member, members.filter((other) => other !== member)]));
  return {
    members,
    threshold: completeThreshold(members.length),
    neighbours: (member) => neighbours.get(member) ?? [],
    holders: (member) => (neighbours.has(member) ? members : []),
    committee: members,
  };
}

function sparseTopology(
  { degree, threshold }: { readonly degree: number; readonly threshold: number },
  members: readonly number[],
  seed: Uint8Array,
  crypto: SecureSumCrypto,
): Topology {
  const size = members.length;
  if (degree % 2 !== 0 || degree < 2 || degree + 1 > MAX_SHARES || degree + 1 >= size) {
    throw new InvalidInputError(
      `a sparse graph of ${size} clients needs an even degree from 2 to ${Math.min(MAX_SHARES - 1, size - 2)}, found ${degree}`,
    );
  }
  if (threshold <= (degree + 1) / 2 || threshold > degree + 1) {
    throw new InvalidInputError(`the threshold must be more than half of ${degree + 1} holders, found ${threshold}`);
  }
  const integers = new SeededIntegers(seed, crypto);
  const adjacency = randomRegular(size, degree, integers);
  const neighbours = new Map<number, readonly number[]>();
  const holders = new Map<number, readonly number[]>();
  const relabelled = integers.shuffled(members);
  relabelled.forEach((member, vertex) => {
    const around = (adjacency[vertex] ?? []).map((other) => relabelled[other] as number);
    neighbours.set(member, around.sort(ascending));
    holders.set(member, [...around, member].sort(ascending));
  });
  return {
    members,
    threshold,
    neighbours: (member) => neighbours.get(member) ?? [],
    holders: (member) => holders.get(member) ?? [],
    committee: integers
      .shuffled(members)
      .slice(0, degree + 1)
      .sort(ascending),
  };
}

/** Switches per edge. Ten make the graph as good as uniform: its second eigenvalue is that of a random regular graph (tested). */
const SWITCHES_PER_EDGE = 10;

/**
 * A random simple regular graph: a circulant whose edges are switched in pairs, ab and cd to ac and bd, wherever that keeps it simple. Its vertices must
 * still be relabelled at random; then the neighbours of any one vertex are a uniform subset, exactly.
 */
function randomRegular(size: number, degree: number, integers: SeededIntegers): number[][] {
  const ends = new Int32Array(size * degree);
  // One bit a pair of vertices: several times faster than sets, and this loop is what a sparse block's setup takes.
  const joined = new Uint8Array(Math.ceil((size * size) / 8));
  const has = (a: number, b: number): boolean => {
    const bit = a * size + b;
    return ((joined[bit >>> 3] as number) & (1 << (bit & 7))) !== 0;
  };
  const flip = (bit: number): void => {
    joined[bit >>> 3] = (joined[bit >>> 3] as number) ^ (1 << (bit & 7));
  };
  const toggle = (a: number, b: number): void => {
    flip(a * size + b);
    flip(b * size + a);
  };
  let edges = 0;
  for (let vertex = 0; vertex < size; vertex++) {
    for (let offset = 1; offset <= degree / 2; offset++) {
      const other = (vertex + offset) % size;
      ends.set([vertex, other], 2 * edges++);
      toggle(vertex, other);
    }
  }
  for (let i = 0; i < SWITCHES_PER_EDGE * edges; i++) {
    const first = 2 * integers.below(edges);
    const second = 2 * integers.below(edges);
    const turn = integers.below(2);
    const a = ends[first] as number;
    const b = ends[first + 1] as number;
    const c = ends[second + turn] as number;
    const d = ends[second + 1 - turn] as number;
    if (a === c || a === d || b === c || b === d || has(a, c) || has(b, d)) continue;
    toggle(a, b);
    toggle(c, d);
    toggle(a, c);
    toggle(b, d);
    ends[first + 1] = c;
    ends[second] = b;
    ends[second + 1] = d;
  }
  const adjacency = Array.from({ length: size }, (): number[] => []);
  for (let edge = 0; edge < 2 * edges; edge += 2) {
    adjacency[ends[edge] as number]?.push(ends[edge + 1] as number);
    adjacency[ends[edge + 1] as number]?.push(ends[edge] as number);
  }
  return adjacency;
}

const ascending = (a: number, b: number): number => a - b;
const BUFFER_BYTES = 4096;

/** Uniform integers that everybody with the seed draws alike. */
class SeededIntegers {
  readonly #seed: Uint8Array;
  readonly #crypto: SecureSumCrypto;
  #buffer = new Uint8Array();
  #used = 0;
  #buffers = 0;

  constructor(seed: Uint8Array, crypto: SecureSumCrypto) {
    this.#seed = seed;
    this.#crypto = crypto;
  }

  /** Uniform in [0, bound), bound at most 2^24, by rejection. */
  below(bound: number): number {
    const limit = 2 ** 24 - (2 ** 24 % bound);
    for (;;) {
      if (this.#used + 3 > this.#buffer.length) this.#refill();
      const at = this.#used;
      this.#used += 3;
      const value =
        ((this.#buffer[at] as number) << 16) |
        ((this.#buffer[at + 1] as number) << 8) |
        (this.#buffer[at + 2] as number);
      if (value < limit) return value % bound;
    }
  }

  /** A uniform permutation (Fisher and Yates). */
  shuffled(items: readonly number[]): number[] {
    const list = [...items];
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [list[i], list[j]] = [list[j] as number, list[i] as number];
    }
    return list;
  }

  #refill(): void {
    const key = this.#crypto.hkdf(this.#seed, new Uint8Array(), context('graph', this.#buffers++), KEY_BYTES);
    this.#buffer = Uint8Array.from(this.#crypto.chacha20(key, BUFFER_BYTES));
    this.#used = 0;
  }
}
