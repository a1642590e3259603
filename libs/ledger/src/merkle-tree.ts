import { InvalidInputError, concatBytes, fromHex, toHex } from '@fedcarbon/kernel';
import type { Sha256 } from '@fedcarbon/kernel';

/** SHA-256(0x00 || entry) (RFC 6962, section 2.1). */
export function leafHash(sha256: Sha256, entry: Uint8Array): Uint8Array {
  return sha256(concatBytes(Uint8Array.of(0), entry));
}

/** SHA-256(0x01 || left || right) (RFC 6962, section 2.1). */
export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(Uint8Array.of(1), left, right));
}

/**
 * The roots of the complete subtrees that a tree of `size` leaves falls into, largest first: enough to add leaves and to compute the root,
 * in O(log size) space. Serialisable, so that a writer goes on where it stopped.
 */
export class CompactRange {
  readonly #sha256: Sha256;
  #size: number;
  readonly #roots: Uint8Array[];

  private constructor(sha256: Sha256, size: number, roots: Uint8Array[]) {
    this.#sha256 = sha256;
    this.#size = size;
    this.#roots = roots;
  }

  static empty(sha256: Sha256): CompactRange {
    return new CompactRange(sha256, 0, []);
  }

  /** Reads what `serialize` wrote. Throws InvalidInputError for another text. */
  static parse(sha256: Sha256, text: string): CompactRange {
    const match = /^(0|[1-9][0-9]{0,15}):((?:[0-9a-f]{64})*)$/.exec(text);
    const size = Number(match?.[1]);
    const hex = match?.[2] ?? '';
    if (!match || hex.length / 64 !== bitCount(size)) {
      throw new InvalidInputError(`not a compact range: "${text.slice(0, 40)}"`);
    }
    return new CompactRange(
      sha256,
      size,
      (hex.match(/.{64}/g) ?? []).map((root) => fromHex(root)),
    );
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** Adds one leaf hash. */
  append(leaf: Uint8Array): void {
    let root = leaf;
    // As many complete subtrees merge as the old size has trailing one bits.
    for (let size = this.#size; size % 2 === 1; size = (size - 1) / 2) {
      root = nodeHash(this.#sha256, this.#roots.pop() as Uint8Array, root); // Safe because there is one root per one bit.
    }
    this.#roots.push(root);
    this.#size += 1;
  }

  /** The Merkle tree hash of the leaves so far; SHA-256 of nothing when there are none (RFC 6962, section 2.1). */
  root(): Uint8Array {
    if (this.#roots.length === 0) return this.#sha256(new Uint8Array(0));
    return this.#roots.reduceRight((right, left) => nodeHash(this.#sha256, left, right));
  }

  /** `size:hex of the subtree roots`. */
  serialize(): string {
    return `${this.#size}:${this.#roots.map(toHex).join('')}`;
  }
}

function bitCount(size: number): number {
  return size.toString(2).replaceAll('0', '').length;
}
