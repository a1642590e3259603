import { decodeIntegers, encodeIntegers, type Residues } from '@fedcarbon/codec';
import { concatBytes } from '@fedcarbon/kernel';
import type { Block } from '../block.ts';
import { context, SEED_BYTES, SIGNATURE_BYTES } from '../crypto.ts';
import { bitmapOf, BytesCursor, encodeMessage, u16 } from './bytes-cursor.ts';

/** Every message of a round: round u16 after the header, then the fields in the order below. */
interface OfRound {
  readonly round: number;
}

/** client -> region: a masked vector, packed as @fedcarbon/codec packs it, and what the client seals for a helper, if the secure sum has one. */
export interface Masked extends OfRound {
  readonly bits: number;
  readonly values: Residues;
  readonly sealed: Uint8Array;
}

/** region -> coordinator: the sum of masked vectors modulo 2^bits, whose they are (bitmap over the plan's members), and what these sealed, ascending. */
export interface Partial extends OfRound {
  readonly members: readonly number[];
  readonly bits: number;
  readonly values: Residues;
  readonly sealed: readonly Uint8Array[];
}

/** coordinator -> committee: whose vectors are in the sum (bitmap over the plan's members). */
export interface Survivors extends OfRound {
  readonly survivors: readonly number[];
}

/** committee -> coordinator: signature over `survivorsStatement`. */
export interface Consent extends OfRound {
  readonly signature: Uint8Array;
}

/** coordinator -> survivors: the survivors, who signed for them (bitmap), and the signatures, ascending. */
export interface Unmask extends OfRound {
  readonly survivors: readonly number[];
  readonly signers: readonly number[];
  readonly signatures: readonly Uint8Array[];
}

/**
 * survivor -> coordinator: of each dealer whose secrets the sender holds, ascending, one share of 16 bytes: of its self seed when it is among the
 * survivors, of its key seed when it is not.
 */
export interface Answer extends OfRound {
  readonly shares: readonly Uint8Array[];
}

/** What a client signs when it agrees to a set of survivors. Once a round. */
export function survivorsStatement(
  block: Block,
  { rosterHash, dealers }: { readonly rosterHash: Uint8Array; readonly dealers: readonly number[] },
  { round, survivors }: Survivors,
): Uint8Array {
  const size = block.members.length;
  return concatBytes(
    context('survivors', round),
    block.session,
    rosterHash,
    bitmapOf(dealers, size),
    bitmapOf(survivors, size),
  );
}

export function encodeMasked(block: Block, { round, bits, values, sealed }: Masked): Uint8Array {
  return encodeMessage('masked', block.session, u16(round), encodeIntegers(values, bits), sealed);
}

/** `sealedLength` is 0 without a helper. Throws InvalidInputError (`invalid_encoding`), as all decoders here do. */
export function decodeMasked(block: Block, sealedLength: number, bytes: Uint8Array): Masked {
  const cursor = new BytesCursor('masked', block.session, bytes);
  const round = readRound(cursor, block);
  const { bits, values } = decodeIntegers(cursor.takeAllBut(sealedLength));
  const sealed = cursor.take(sealedLength);
  return { round, bits, values, sealed };
}

export function encodePartial(block: Block, { round, members, bits, values, sealed }: Partial): Uint8Array {
  const bitmap = bitmapOf(members, block.members.length);
  return encodeMessage('partial', block.session, u16(round), bitmap, encodeIntegers(values, bits), ...sealed);
}

export function decodePartial(block: Block, sealedLength: number, bytes: Uint8Array): Partial {
  const cursor = new BytesCursor('partial', block.session, bytes);
  const round = readRound(cursor, block);
  const members = cursor.bitmap(block.members.length);
  const { bits, values } = decodeIntegers(cursor.takeAllBut(sealedLength * members.length));
  const sealed = cursor.takeEach(members.length, sealedLength);
  return { round, members, bits, values, sealed };
}

export function encodeSurvivors(block: Block, { round, survivors }: Survivors): Uint8Array {
  return encodeMessage('survivors', block.session, u16(round), bitmapOf(survivors, block.members.length));
}

export function decodeSurvivors(block: Block, bytes: Uint8Array): Survivors {
  const cursor = new BytesCursor('survivors', block.session, bytes);
  const round = readRound(cursor, block);
  const survivors = cursor.bitmap(block.members.length);
  cursor.end();
  return { round, survivors };
}

export function encodeConsent(block: Block, { round, signature }: Consent): Uint8Array {
  return encodeMessage('consent', block.session, u16(round), signature);
}

export function decodeConsent(block: Block, bytes: Uint8Array): Consent {
  const cursor = new BytesCursor('consent', block.session, bytes);
  const round = readRound(cursor, block);
  const signature = cursor.take(SIGNATURE_BYTES);
  cursor.end();
  return { round, signature };
}

export function encodeUnmask(block: Block, { round, survivors, signers, signatures }: Unmask): Uint8Array {
  const size = block.members.length;
  const bitmaps = [bitmapOf(survivors, size), bitmapOf(signers, size)];
  return encodeMessage('unmask', block.session, u16(round), ...bitmaps, ...signatures);
}

export function decodeUnmask(block: Block, bytes: Uint8Array): Unmask {
  const cursor = new BytesCursor('unmask', block.session, bytes);
  const round = readRound(cursor, block);
  const survivors = cursor.bitmap(block.members.length);
  const signers = cursor.bitmap(block.members.length);
  const signatures = cursor.takeEach(signers.length, SIGNATURE_BYTES);
  cursor.end();
  return { round, survivors, signers, signatures };
}

export function encodeAnswer(block: Block, { round, shares }: Answer): Uint8Array {
  return encodeMessage('answer', block.session, u16(round), ...shares);
}

/** `dealers` is the number of dealers whose shares the sender holds. */
export function decodeAnswer(block: Block, dealers: number, bytes: Uint8Array): Answer {
  const cursor = new BytesCursor('answer', block.session, bytes);
  const round = readRound(cursor, block);
  const shares = cursor.takeEach(dealers, SEED_BYTES);
  cursor.end();
  return { round, shares };
}

function readRound(cursor: BytesCursor, { rounds }: Block): number {
  const round = cursor.u16();
  if (round >= rounds) throw cursor.invalid(`round ${round}, the block has ${rounds}`);
  return round;
}
