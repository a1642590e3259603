import type { RandomSource } from '@fedcarbon/kernel';

// Looked up once: `Math` in an inner loop is slow where globals are intercepted, as in test sandboxes.
const { clz32, floor } = Math;
const MAX_BUFFER_WORDS = 4096;
const WORD = 2 ** 32;

/** Exactly uniform integers by rejection, from buffered random bytes. */
export class RandomIntegers {
  readonly #random: RandomSource;
  #words = new Uint32Array(0);
  #next = 0;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** Uniform in [0, bound). bound: an integer from 1 to 2^53. */
  below(bound: number): number {
    if (bound <= 1) return 0;
    if (bound <= WORD) {
      const shift = clz32(bound - 1);
      for (;;) {
        const value = this.word() >>> shift;
        if (value < bound) return value;
      }
    }
    const shift = clz32(floor((bound - 1) / WORD));
    for (;;) {
      const value = (this.word() >>> shift) * WORD + this.word();
      if (value < bound) return value;
    }
  }

  /** Uniform in [0, bound) for a positive bound of any size. */
  belowBigInt(bound: bigint): bigint {
    const bits = (bound - 1n).toString(2).length;
    for (;;) {
      let value = 0n;
      for (let taken = 0; taken < bits; taken += 32) value = (value << 32n) | BigInt(this.word());
      value >>= BigInt(Math.ceil(bits / 32) * 32 - bits);
      if (value < bound) return value;
    }
  }

  /** 32 uniform bits. */
  word(): number {
    if (this.#next >= this.#words.length) this.#refill();
    return this.#words[this.#next++] ?? 0;
  }

  /** Buffers grow with use: one sample does not draw thousands of bytes, a million samples do not call the source for each word. */
  #refill(): void {
    const length = Math.min(MAX_BUFFER_WORDS, Math.max(64, 2 * this.#words.length));
    // A copy, because the source's bytes need not be aligned to words.
    this.#words = new Uint32Array(Uint8Array.from(this.#random.bytes(4 * length)).buffer);
    this.#next = 0;
  }
}
