import { concatBytes, type Sha256 } from '@fedcarbon/kernel';
import { context, SEED_BYTES } from './crypto.ts';
import type { Graph } from './topology.ts';

/** What all parties of a block of rounds agree on beforehand, from the plan. Clients are known by their place in `members`. */
export interface Block {
  /** 32 bytes, unique to the block (`sessionOf`). */
  readonly session: Uint8Array;
  /** SHA-256 of the plan, 32 bytes. */
  readonly planHash: Uint8Array;
  /** Ed25519 keys of all clients, in the plan's order; at most 65535. */
  readonly members: readonly Uint8Array[];
  /** Ed25519 key of the coordinator. */
  readonly coordinatorKey: Uint8Array;
  /** Rounds that are set up together, spare ones included. Rounds of a block are numbered from 0. */
  readonly rounds: number;
  /** K_min: fewer clients than this are never opened together. */
  readonly minSurvivors: number;
  readonly graph: Graph;
}

/** The session id of the `number`-th block of rounds under a plan. A block that is set up anew gets a new number: its seeds must not be used twice. */
export function sessionOf(sha256: Sha256, planHash: Uint8Array, number: number): Uint8Array {
  return sha256(concatBytes(context('session', number), planHash));
}

/** Length of one client's shares for one holder: of a self seed and of a key seed for each round. */
export function shareBytes({ rounds }: Block): number {
  return 2 * SEED_BYTES * rounds;
}
