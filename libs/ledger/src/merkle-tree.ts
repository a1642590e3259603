import { InvalidInputError, concatBytes, equalBytes, fromHex, toHex } from '@fedcarbon/kernel';
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

/** The largest power of two below `size` (RFC 6962's k). */
function split(size: number): number {
  let k = 1;
  while (2 * k < size) k *= 2;
  return k;
}

function rootOf(sha256: Sha256, leaves: readonly Uint8Array[]): Uint8Array {
  const range = CompactRange.empty(sha256);
  for (const leaf of leaves) range.append(leaf);
  return range.root();
}

/**
 * Audit path of leaf `index` in the tree over `leaves` (leaf hashes), nearest sibling first (RFC 6962, section 2.1.1).
 * Throws InvalidInputError when there is no such leaf.
 */
export function inclusionProof(sha256: Sha256, leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new InvalidInputError(`no leaf ${index} in a tree of ${leaves.length}`);
  }
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return index < k
    ? [...inclusionProof(sha256, left, index), rootOf(sha256, right)]
    : [...inclusionProof(sha256, right, index - k), rootOf(sha256, left)];
}

/**
 * Proof that the tree over `leaves` extends the tree over its first `size` leaves (RFC 6962, section 2.1.2).
 * Throws InvalidInputError unless 1 <= size <= leaves.length.
 */
export function consistencyProof(sha256: Sha256, leaves: readonly Uint8Array[], size: number): Uint8Array[] {
  if (!Number.isInteger(size) || size < 1 || size > leaves.length) {
    throw new InvalidInputError(`no consistency proof from ${size} to ${leaves.length} leaves`);
  }
  const subproof = (part: readonly Uint8Array[], m: number, whole: boolean): Uint8Array[] => {
    if (m === part.length) return whole ? [] : [rootOf(sha256, part)];
    const k = split(part.length);
    const [left, right] = [part.slice(0, k), part.slice(k)];
    return m <= k
      ? [...subproof(left, m, whole), rootOf(sha256, right)]
      : [...subproof(right, m - k, false), rootOf(sha256, left)];
  };
  return subproof(leaves, size, true);
}

/** Whether `proof` shows that `leaf` is number `index` of the tree of `size` leaves with this `root` (RFC 9162, section 2.1.3.2). */
export function verifyInclusion(
  sha256: Sha256,
  claim: { readonly leaf: Uint8Array; readonly index: number; readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isInteger(claim.index) || claim.index < 0 || claim.index >= claim.size) return false;
  let [node, last, hash] = [claim.index, claim.size - 1, claim.leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sha256, sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      hash = nodeHash(sha256, hash, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && equalBytes(hash, claim.root);
}

/** Whether `proof` shows that the tree (`size`, `root`) extends the tree (`oldSize`, `oldRoot`) (RFC 9162, section 2.1.4.2). */
export function verifyConsistency(
  sha256: Sha256,
  claim: { readonly oldSize: number; readonly oldRoot: Uint8Array; readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  const { oldSize, oldRoot, size, root } = claim;
  if (!Number.isInteger(oldSize) || oldSize < 1 || oldSize > size) return false;
  if (oldSize === size) return proof.length === 0 && equalBytes(oldRoot, root);
  const path = split(oldSize + 1) === oldSize ? [oldRoot, ...proof] : proof;
  const first = path[0];
  if (first === undefined) return false;
  let [node, last] = [oldSize - 1, size - 1];
  while (node % 2 === 1) [node, last] = [(node - 1) / 2, Math.floor(last / 2)];
  let [oldHash, hash] = [first, first];
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(sha256, sibling, oldHash);
      hash = nodeHash(sha256, sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      hash = nodeHash(sha256, hash, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(hash, root);
}
