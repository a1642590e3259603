import { concatBytes, InvalidInputError, type Sha256 } from '@fedcarbon/kernel';
import { context, SEED_BYTES } from './crypto.ts';
import type { Graph } from './topology.ts';

/** What is a block's own among those of a plan. */
export interface BlockStart {
  /** From 1; each block has a higher number than those before it. */
  readonly number: number;
  /** Rounds before it belong to earlier blocks. */
  readonly firstRound: number;
  /** Members that can take no part any more. */
  readonly excluded: readonly number[];
}

/** What all parties of a block of rounds agree on beforehand, from the plan. Clients are known by their place in `members`. */
export interface Block extends BlockStart {
  /** 32 bytes, unique to the block (`sessionOf`). */
  readonly session: Uint8Array;
  /** SHA-256 of the plan, 32 bytes. */
  readonly planHash: Uint8Array;
  /** Ed25519 keys of all clients, in the plan's order; at most 65535. */
  readonly members: readonly Uint8Array[];
  /** Ed25519 key of the coordinator. */
  readonly coordinatorKey: Uint8Array;
  /** Rounds of the plan, spare ones included, counted from 0: a block is set up for all of them. */
  readonly rounds: number;
  /** K_min: fewer clients than this are never opened together. */
  readonly minSurvivors: number;
  readonly graph: Graph;
}

/** The block of the same plan that begins with `start`. */
export function blockFrom(block: Block, start: BlockStart, sha256: Sha256): Block {
  return { ...block, ...start, session: sessionOf(sha256, block.planHash, start.number) };
}

/** The session id of the `number`-th block of rounds under a plan. A block that is set up anew gets a new number: its seeds must not be used twice. */
export function sessionOf(sha256: Sha256, planHash: Uint8Array, number: number): Uint8Array {
  return sha256(concatBytes(context('session', number), planHash));
}

/** Length of one client's shares for one holder: of a self seed and of a key seed for each round. */
export function shareBytes({ rounds }: Block): number {
  return 2 * SEED_BYTES * rounds;
}

/** Throws InvalidInputError unless the block has the round. */
export function requireRound({ number, firstRound, rounds }: Block, round: number): void {
  if (Number.isInteger(round) && round >= firstRound && round < rounds) return;
  throw new InvalidInputError(`round ${round} is not one of block ${number}, which has ${firstRound} to ${rounds - 1}`);
}
