import { decodeIntegers, encodeIntegers, type Residues } from '@fedcarbon/codec';
import type { Block } from '../block.ts';
import { KEY_BYTES, SEED_BYTES, SIGNATURE_BYTES, TAG_BYTES } from '../crypto.ts';
import { bitmapOf, BytesCursor, encodeMessage, u16 } from './bytes-cursor.ts';

/** What a client seals for the helper: an X25519 key used once, its seed of 16 bytes, sealed, and its signature (`sealedSeedStatement`). */
export const SEALED_SEED_BYTES = KEY_BYTES + SEED_BYTES + TAG_BYTES + SIGNATURE_BYTES;

/** coordinator -> helper: round u16 | bits u8 | length u24 | survivors (bitmap over the plan's members) | their sealed seeds, ascending. */
export interface Seeds {
  readonly round: number;
  readonly bits: number;
  readonly length: number;
  readonly survivors: readonly number[];
  readonly sealed: readonly Uint8Array[];
}

/** helper -> coordinator: round u16 | members whose seal does not open or is not signed by them (bitmap) | the sum of all masks, packed; no integers when there are such members. */
export interface MaskSum {
  readonly round: number;
  readonly unreadable: readonly number[];
  readonly bits: number;
  readonly values: Residues;
}

export function encodeSeeds(block: Block, { round, bits, length, survivors, sealed }: Seeds): Uint8Array {
  const shape = Uint8Array.of(bits, length >>> 16, (length >>> 8) & 255, length & 255);
  const bitmap = bitmapOf(survivors, block.members.length);
  return encodeMessage('seeds', block.session, u16(round), shape, bitmap, ...sealed);
}

/** Throws InvalidInputError (`invalid_encoding`), as does `decodeMaskSum`. */
export function decodeSeeds(block: Block, bytes: Uint8Array): Seeds {
  const cursor = new BytesCursor('seeds', block.session, bytes);
  const round = cursor.u16();
  const bits = cursor.u8();
  const length = (cursor.u8() << 16) | cursor.u16();
  const survivors = cursor.bitmap(block.members.length);
  const sealed = cursor.takeEach(survivors.length, SEALED_SEED_BYTES);
  cursor.end();
  return { round, bits, length, survivors, sealed };
}

export function encodeMaskSum(block: Block, { round, unreadable, bits, values }: MaskSum): Uint8Array {
  const bitmap = bitmapOf(unreadable, block.members.length);
  return encodeMessage('maskSum', block.session, u16(round), bitmap, encodeIntegers(values, bits));
}

export function decodeMaskSum(block: Block, bytes: Uint8Array): MaskSum {
  const cursor = new BytesCursor('maskSum', block.session, bytes);
  const round = cursor.u16();
  const unreadable = cursor.bitmap(block.members.length);
  return { round, unreadable, ...decodeIntegers(cursor.takeAllBut(0)) };
}
