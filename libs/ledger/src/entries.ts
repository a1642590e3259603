import { canonicalBytes, concatBytes, utf8 } from '@fedcarbon/kernel';
import type { Json } from '@fedcarbon/kernel';

/**
 * What the ledger records, version 1. Binary fields are base64url without padding, hashes are lower-case hexadecimal SHA-256.
 * A kind is never changed: another shape is another version, and old readers stay.
 */
export type LedgerEntry =
  | FederationOpened
  | PrivacyCommitted
  | PrivacyRefused
  | RoundOpened
  | RoundClosed
  | ModelPublished
  | BenchmarksPublished
  | FederationCompleted;

export type LedgerEntryKind = LedgerEntry['kind'];

/** The mechanism that ran: every record moves at most `sensitivitySquared` coordinates by one each, under N_Z(0, sigmaSquared) noise, `steps` times. */
export type LedgerPrivacyEvent = {
  readonly kind: 'discreteGaussian';
  readonly sigmaSquared: number;
  readonly sensitivitySquared: number;
  readonly steps: number;
};

export type RoundPurpose = 'model' | 'benchmarks';

/** A plan took effect: the whole resolved plan, its hash (SHA-256 of its canonical bytes) and the Ed25519 keys of the services. */
export type FederationOpened = {
  readonly kind: 'federation.opened';
  readonly planHash: string;
  readonly plan: Json;
  readonly keys: { readonly global: string; readonly accountant: string; readonly checkpoint: string };
};

/** A charge to a holder's data set; final, whatever becomes of the update. */
export type PrivacyCommitted = {
  readonly kind: 'privacy.committed';
  readonly holder: string;
  readonly dataset: string;
  readonly planHash: string;
  readonly roundId: string;
  readonly attempt: number;
  readonly event: LedgerPrivacyEvent;
  readonly updateDigest: string;
};

/** The accountant said no. */
export type PrivacyRefused = {
  readonly kind: 'privacy.refused';
  readonly holder: string;
  readonly dataset: string;
  readonly planHash: string;
  readonly roundId: string;
  readonly attempt: number;
  readonly event: LedgerPrivacyEvent;
  readonly reason: string;
};

/** `bits` and `length` are the width and the number of the integers of the round's aggregate. */
export type RoundOpened = {
  readonly kind: 'round.opened';
  readonly planHash: string;
  readonly roundId: string;
  readonly index: number;
  readonly purpose: RoundPurpose;
  /** Seed of the choice of clients, 32 bytes as hexadecimal. */
  readonly seed: string;
  readonly event: LedgerPrivacyEvent;
  readonly bits: number;
  readonly length: number;
};

/** A regional aggregator's verdict on one update. Signed over `receiptMessage`. */
export type Receipt = {
  readonly planHash: string;
  readonly roundId: string;
  readonly holder: string;
  readonly attempt: number;
  readonly updateDigest: string;
  readonly verdict: 'accepted' | 'rejected' | 'late' | 'duplicate';
  readonly reason?: string;
  readonly region: string;
};

/**
 * `aggregate` holds the packed integers of the modular sum and is absent when the round is abandoned; `modelDigest` is the digest of the
 * current iterate after a released model round.
 */
export type RoundClosed = {
  readonly kind: 'round.closed';
  readonly planHash: string;
  readonly roundId: string;
  readonly index: number;
  readonly purpose: RoundPurpose;
  readonly outcome: 'released' | 'abandoned';
  readonly reason?: string;
  readonly aggregate?: string;
  readonly participants: readonly {
    readonly holder: string;
    readonly attempt: number;
    readonly updateDigest: string;
  }[];
  readonly verdicts: readonly { readonly receipt: Receipt; readonly signature: string }[];
  readonly modelDigest?: string;
};

/** `modelDigest` is of the averaged weights, `epsilon` the largest over the plan's clients, `rounds` the released model rounds so far. */
export type ModelPublished = {
  readonly kind: 'model.published';
  readonly planHash: string;
  readonly version: number;
  readonly roundId: string;
  readonly modelDigest: string;
  readonly epsilon: number;
  readonly rounds: number;
};

export type BenchmarksPublished = {
  readonly kind: 'benchmarks.published';
  readonly planHash: string;
  readonly version: number;
  readonly roundId: string;
  readonly releaseDigest: string;
};

/** `rounds` is the number of released model rounds. */
export type FederationCompleted = {
  readonly kind: 'federation.completed';
  readonly planHash: string;
  readonly reason: 'planned' | 'ended_early';
  readonly rounds: number;
};

/** Version of the entry format, stored in every entry as `v`. */
export const ENTRY_VERSION = 1;

/** The bytes that are stored and hashed: RFC 8785 text of the entry with its version. Throws InvalidInputError for what JSON cannot carry. */
export function entryBytes(entry: LedgerEntry): Uint8Array {
  return canonicalBytes({ ...entry, v: ENTRY_VERSION });
}

/** What a region signs: the domain label, a line feed, the canonical receipt. */
export function receiptMessage(receipt: Receipt): Uint8Array {
  return concatBytes(utf8('fedcarbon/receipt/v1\n'), canonicalBytes(receipt));
}
