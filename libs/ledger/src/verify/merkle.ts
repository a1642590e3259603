import type { Sha256 } from '@fedcarbon/kernel';
import { joined } from './bytes.ts';

/** Merkle tree hashes over growing lists of leaf hashes, by the plain recursion of RFC 6962, section 2.1; complete subtrees are computed once. */
export class MerkleTree {
  readonly #sha256: Sha256;
  readonly #leaves: Uint8Array[] = [];
  readonly #complete = new Map<string, Uint8Array>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  get size(): number {
    return this.#leaves.length;
  }

  add(leaf: Uint8Array): void {
    this.#leaves.push(leaf);
  }

  /** Root over the first `size` leaves, 32 bytes. */
  root(size: number): Uint8Array {
    return size === 0 ? this.#sha256(new Uint8Array(0)) : this.#hash(0, size);
  }

  #hash(start: number, size: number): Uint8Array {
    if (size === 1) return this.#leaves[start] as Uint8Array; // Safe because root() is asked for sizes up to this.size only.
    const name = `${start}+${size}`;
    const known = this.#complete.get(name);
    if (known) return known;
    let left = 1;
    while (left * 2 < size) left *= 2;
    const hash = this.#sha256(joined(Uint8Array.of(1), this.#hash(start, left), this.#hash(start + left, size - left)));
    if (left * 2 === size) this.#complete.set(name, hash);
    return hash;
  }
}
