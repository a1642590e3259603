/**
 * Reproducible pseudo-random draws for simulations: partitions and simulated stock. NOT for noise, keys or anything that protects a record; those use `RandomSource`.
 * Generator: xoshiro128** 1.1 (Blackman and Vigna 2021, doi 10.1145/3460772), its state filled from a 32-bit seed by the finaliser of MurmurHash3.
 */
export class SeededRandom {
  readonly #state: Uint32Array;

  /** `seed`: an integer of which the lowest 32 bits count, or the four words of the state (not all zero). */
  constructor(seed: number | readonly [number, number, number, number]) {
    this.#state = typeof seed === 'number' ? stateOf(seed) : Uint32Array.from(seed);
  }

  /** A uniform 32-bit word. */
  word(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = s;
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    s[0] = a ^ d ^ b;
    s[1] = b ^ c ^ a;
    s[2] = c ^ a ^ (b << 9);
    s[3] = rotl(d ^ b, 11);
    return result;
  }

  /** Uniform on (0, 1), 53 bits; never 0, so that its logarithm is finite. */
  uniform(): number {
    const high = this.word() >>> 5;
    return (high * 2 ** 26 + (this.word() >>> 6) + 0.5) / 2 ** 53;
  }

  /** Uniform on 0 .. `count` - 1, exactly (rejection). */
  index(count: number): number {
    const limit = 2 ** 32 - (2 ** 32 % count);
    for (;;) {
      const word = this.word();
      if (word < limit) return word % count;
    }
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Lognormal with median 1 and standard deviation `sdLog` of its logarithm. */
  lognormal(sdLog: number): number {
    return Math.exp(sdLog * this.normal());
  }

  /** Position of one of `weights` (not negative, not all zero), drawn in proportion. */
  weighted(weights: readonly number[]): number {
    let rest = this.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
    const position = weights.findIndex((weight) => (rest -= weight) < 0);
    return position < 0 ? weights.length - 1 : position;
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.index(i + 1);
      // Safe because 0 <= j <= i < length.
      [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
    }
    return copy;
  }

  /** Symmetric Dirichlet: `count` shares that sum to 1. In logarithms, because a small `alpha` underflows otherwise. */
  dirichlet(count: number, alpha: number): number[] {
    const logs = Array.from({ length: count }, () => this.#logGamma(alpha));
    const largest = Math.max(...logs);
    const weights = logs.map((log) => Math.exp(log - largest));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  }

  /** Logarithm of a Gamma(`shape`, 1) draw: Marsaglia and Tsang 2000 at shape + 1, brought down by U^(1/shape) (their section 6). */
  #logGamma(shape: number): number {
    const d = shape + 1 - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) {
        return Math.log(d * v) + Math.log(this.uniform()) / shape;
      }
    }
  }
}

function rotl(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function stateOf(seed: number): Uint32Array {
  return Uint32Array.from({ length: 4 }, (_, i) => {
    let h = (seed + Math.imul(i + 1, 0x9e3779b9)) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 16);
  });
}
