import { concatBytes } from '@fedcarbon/kernel';
import type { Sha256 } from '@fedcarbon/kernel';
import { entryBytes } from './entries.ts';
import type { LedgerEntry } from './entries.ts';
import type { StoredEntry } from './export.ts';
import { leafHash } from './merkle-tree.ts';

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
    const previous = this.#entries.at(-1)?.chainHash ?? new Uint8Array(32);
    const stored = {
      seq: this.#entries.length,
      leafHash: leaf,
      chainHash: this.#sha256(concatBytes(previous, leaf)),
      body,
    };
    this.#entries.push(stored);
    return stored;
  }
}
