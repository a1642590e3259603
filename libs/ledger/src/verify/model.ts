/**
 * The packed integers of an aggregate: version (1), bits, count (3 bytes, big-endian), then `count` values of `bits` bits, most significant
 * bit first, zero padding. Returns what is wrong with them as a text.
 */
export function unpack(bytes: Uint8Array, bits: number, length: number): number[] | string {
  const [version, statedBits, high = 0, middle = 0, low = 0] = bytes;
  if (bytes.length < 5 || version !== 1) return `has no packed-integer header of version 1`;
  if (statedBits !== bits) return `has ${statedBits} bits per integer, its round ${bits}`;
  const stated = high * 65536 + middle * 256 + low;
  if (stated !== length) return `has ${stated} integers, its round ${length}`;
  if (bytes.length !== 5 + Math.ceil((bits * length) / 8))
    return `has ${bytes.length} bytes, which is not ${length} x ${bits} bits`;
  const digits = Array.from(bytes.subarray(5), (byte) => byte.toString(2).padStart(8, '0')).join('');
  if (digits.slice(bits * length).includes('1')) return 'has padding that is not zero';
  return Array.from({ length }, (_, i) => parseInt(digits.slice(i * bits, (i + 1) * bits), 2));
}

/**
 * Replays the integer sign-histogram model from the released sums: v = momentum v + S / N, w = w - stepSize v, from zero; published is the
 * average of the iterates from position floor(rounds / 2) on.
 */
export class ModelReplay {
  readonly #recipe: {
    readonly momentum: number;
    readonly stepSize: number;
    readonly nominalRecords: number;
    readonly rounds: number;
  };
  readonly #weights: number[];
  readonly #velocity: number[];
  readonly #total: number[];
  #averaged = 0;
  #rounds = 0;

  constructor(recipe: {
    readonly momentum: number;
    readonly stepSize: number;
    readonly nominalRecords: number;
    readonly rounds: number;
    readonly binsPerFeature: readonly number[];
  }) {
    this.#recipe = recipe;
    const length = recipe.binsPerFeature.reduce((sum, bins) => sum + bins, 0);
    this.#weights = new Array<number>(length).fill(0);
    this.#velocity = [...this.#weights];
    this.#total = [...this.#weights];
  }

  /** Released model rounds so far. */
  get rounds(): number {
    return this.#rounds;
  }

  /** One released round; `sum` holds residues modulo 2^bits. */
  step(sum: readonly number[], bits: number): void {
    const { momentum, stepSize, nominalRecords, rounds } = this.#recipe;
    const averages = this.#rounds >= Math.floor(rounds / 2);
    const modulus = 2 ** bits;
    for (const [i, residue] of sum.entries()) {
      const signed = residue >= modulus / 2 ? residue - modulus : residue;
      const velocity = momentum * (this.#velocity[i] ?? 0) + signed / nominalRecords;
      const weight = (this.#weights[i] ?? 0) - stepSize * velocity;
      this.#velocity[i] = velocity;
      this.#weights[i] = weight;
      if (averages) this.#total[i] = (this.#total[i] ?? 0) + weight;
    }
    this.#rounds += 1;
    if (averages) this.#averaged += 1;
  }

  /** Bytes of the current iterate. */
  current(): Uint8Array {
    return modelBytes(this.#weights);
  }

  /** Bytes of the published (averaged) weights. */
  published(): Uint8Array {
    return this.#averaged === 0 ? this.current() : modelBytes(this.#total.map((total) => total / this.#averaged));
  }
}

/** Version 1 (1 byte), the number of weights (4 bytes, little-endian), the weights as little-endian binary64, without a negative zero. */
function modelBytes(weights: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(5 + 8 * weights.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint32(1, weights.length, true);
  weights.forEach((weight, i) => view.setFloat64(5 + 8 * i, weight === 0 ? 0 : weight, true));
  return bytes;
}
