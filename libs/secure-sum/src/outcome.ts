import { decodeIntegers, encodeIntegers } from '@fedcarbon/codec';
import { concatBytes, fromUtf8, utf8 } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import type { CoordinatorEffect } from './secure-sum.ts';
import { bitmapOf, membersOf } from './v1/bytes-cursor.ts';

/** How a round ended. Part of the coordinator's facts, so that it can say so again after a crash. */
export type Outcome = Extract<CoordinatorEffect, { type: 'opened' | 'abandoned' }>;

/** 0, who is excluded (bitmap) and the reason in UTF-8, or 1, the survivors (bitmap) and the sum as @fedcarbon/codec packs it. `bits` is the width of the round. */
export function encodeOutcome(block: Block, outcome: Outcome, bits: number): Uint8Array {
  const bitmap = (members: readonly number[]) => bitmapOf(members, block.members.length);
  return outcome.type === 'abandoned'
    ? concatBytes(Uint8Array.of(0), bitmap(outcome.excluded), utf8(outcome.reason))
    : concatBytes(Uint8Array.of(1), bitmap(outcome.survivors), encodeIntegers(outcome.sum, bits));
}

/** Reads what `encodeOutcome` wrote. */
export function decodeOutcome(block: Block, round: number, bytes: Uint8Array): Outcome {
  const split = 1 + Math.ceil(block.members.length / 8);
  const members = membersOf(bytes.subarray(1, split));
  const rest = bytes.subarray(split);
  return bytes[0] === 0
    ? { type: 'abandoned', round, reason: fromUtf8(rest), excluded: members }
    : { type: 'opened', round, survivors: members, sum: decodeIntegers(rest).values };
}

/** Members that are excluded by now: before the block, and by how its rounds ended. */
export function excludedAfter({ excluded }: Block, finished: ReadonlyMap<number, Outcome>): number[] {
  const named = [...finished.values()].flatMap((outcome) => (outcome.type === 'abandoned' ? outcome.excluded : []));
  return [...excluded, ...named].sort((a, b) => a - b);
}
