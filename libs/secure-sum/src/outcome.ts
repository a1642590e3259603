import { decodeIntegers, encodeIntegers } from '@fedcarbon/codec';
import { concatBytes, fromUtf8, utf8 } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import type { CoordinatorEffect } from './secure-sum.ts';
import { bitmapOf, membersOf } from './v1/bytes-cursor.ts';

/** How a round ended. Part of the coordinator's facts, so that it can say so again after a crash. */
export type Outcome = Extract<CoordinatorEffect, { type: 'opened' | 'abandoned' }>;

/** 0 and the reason in UTF-8, or 1, the survivors (bitmap) and the sum as @fedcarbon/codec packs it. `bits` is the width of the round. */
export function encodeOutcome(block: Block, outcome: Outcome, bits: number): Uint8Array {
  return outcome.type === 'abandoned'
    ? concatBytes(Uint8Array.of(0), utf8(outcome.reason))
    : concatBytes(
        Uint8Array.of(1),
        bitmapOf(outcome.survivors, block.members.length),
        encodeIntegers(outcome.sum, bits),
      );
}

/** Reads what `encodeOutcome` wrote. */
export function decodeOutcome(block: Block, round: number, bytes: Uint8Array): Outcome {
  if (bytes[0] === 0) return { type: 'abandoned', round, reason: fromUtf8(bytes.subarray(1)) };
  const split = 1 + Math.ceil(block.members.length / 8);
  const survivors = membersOf(bytes.subarray(1, split));
  return { type: 'opened', round, survivors, sum: decodeIntegers(bytes.subarray(split)).values };
}
