import {
  describeError,
  equalBytes,
  FedcarbonError,
  type Sha256,
  type Signer,
  toHex,
  type VerifySignature,
} from '@fedcarbon/kernel';
import { type Checkpoint, CompactRange, openCheckpoint, signCheckpoint } from '@fedcarbon/ledger';
import type { LedgerRepository } from '@fedcarbon/persistence';

/** The stored ledger is not the one that was signed before. Nothing is signed any more until somebody has looked into it. */
export class LedgerTamperedError extends FedcarbonError {
  constructor(message: string) {
    super('ledger_tampered', `${message}; nothing is signed over it: restore the ledger from a sound copy`);
  }
}

/** A checkpoint that stands once its transaction is committed. */
export interface SignedCheckpoint {
  readonly size: number;
  /** RFC 6962 root, hexadecimal. */
  readonly root: string;
  /** To be stored in the same transaction. */
  readonly note: string;
  /** Call it after the commit, so that the next one need not read these entries again. */
  committed(): void;
}

/**
 * Signs the head of the ledger with a key that is not in the database. The root is carried on in memory from the leaf hashes that were added, and every new
 * checkpoint is shown to extend the last one: a ledger whose past was changed is not signed.
 */
export class CheckpointSigner {
  readonly #parts;
  #range: CompactRange;

  constructor(parts: {
    readonly origin: string;
    readonly signer: Signer;
    readonly sha256: Sha256;
    readonly verifySignature: VerifySignature;
  }) {
    this.#parts = parts;
    this.#range = CompactRange.empty(parts.sha256);
  }

  /**
   * Signs a checkpoint over all `size` entries. Needs the transaction that holds the ledger's head.
   * Throws LedgerTamperedError when the entries do not extend the last checkpoint, or entries that were signed over are gone.
   */
  async sign(
    ledger: Pick<LedgerRepository, 'latestCheckpoint' | 'leafHashes'>,
    size: number,
  ): Promise<SignedCheckpoint> {
    const { origin, signer, sha256 } = this.#parts;
    const [stored, leaves] = await Promise.all([ledger.latestCheckpoint(), ledger.leafHashes(this.#range.size)]);
    const last = this.#lastOf(stored?.note);
    const range = CompactRange.parse(sha256, this.#range.serialize());
    // Another instance may have signed further than this one has read, never the other way round.
    if ((last?.size ?? 0) < range.size || (last?.size ?? 0) > size) {
      throw new LedgerTamperedError(
        `the ledger has ${String(size)} entries and a checkpoint over ${String(last?.size ?? 0)}, after one over ${String(range.size)}`,
      );
    }
    this.#check(range, last);
    for (const leaf of leaves) {
      range.append(leaf);
      this.#check(range, last);
    }
    if (range.size !== size) {
      throw new LedgerTamperedError(`the ledger has ${String(range.size)} entries, its head says ${String(size)}`);
    }
    const root = range.root();
    return {
      size,
      root: toHex(root),
      note: signCheckpoint(sha256, signer, origin, { origin, size, root }),
      committed: () => {
        this.#range = range;
      },
    };
  }

  #lastOf(note: string | undefined): Checkpoint | undefined {
    const { signer, sha256, verifySignature } = this.#parts;
    try {
      return note === undefined ? undefined : openCheckpoint(note, signer.publicKey, { sha256, verifySignature });
    } catch (error) {
      throw new LedgerTamperedError(describeError(error));
    }
  }

  #check(range: CompactRange, last: Checkpoint | undefined): void {
    if (range.size !== last?.size) return;
    const { origin } = this.#parts;
    if (last.origin !== origin)
      throw new LedgerTamperedError(`the last checkpoint is of ${last.origin}, not of ${origin}`);
    if (!equalBytes(range.root(), last.root)) {
      throw new LedgerTamperedError(`the first ${String(last.size)} entries are not those that were signed`);
    }
  }
}
