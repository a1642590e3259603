import { concatBytes } from '@fedcarbon/kernel';
import type { Sha256 } from '@fedcarbon/kernel';
import { entryBytes } from './entries.ts';
import type { LedgerEntry } from './entries.ts';
import { leafHash } from './merkle-tree.ts';

/** Chain hash before the first entry: 32 zero bytes. */
export const CHAIN_START: Uint8Array = new Uint8Array(32);

/** SHA-256(previous chain hash || leaf hash). */
export function chainHash(sha256: Sha256, previous: Uint8Array, leaf: Uint8Array): Uint8Array {
  return sha256(concatBytes(previous, leaf));
}

/** An entry as it is stored: `body` are the canonical bytes, `seq` counts from 0. */
export interface StoredEntry {
  readonly seq: number;
  readonly leafHash: Uint8Array;
  readonly chainHash: Uint8Array;
  readonly body: Uint8Array;
}

/** A ledger in memory; the database function `ledger.append` computes the same hashes. */
export class HashChain {
  readonly #sha256: Sha256;
  readonly #entries: StoredEntry[] = [];

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  get entries(): readonly StoredEntry[] {
    return this.#entries;
  }

  /** Adds `entry` behind the last one. */
  append(entry: LedgerEntry): StoredEntry {
    const body = entryBytes(entry);
    const leaf = leafHash(this.#sha256, body);
    const previous = this.#entries.at(-1)?.chainHash ?? CHAIN_START;
    const stored = {
      seq: this.#entries.length,
      leafHash: leaf,
      chainHash: chainHash(this.#sha256, previous, leaf),
      body,
    };
    this.#entries.push(stored);
    return stored;
  }
}
