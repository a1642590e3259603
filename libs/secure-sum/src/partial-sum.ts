import { sumModulo } from '@fedcarbon/codec';
import { InvalidInputError } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import { decodeMasked, decodePartial, encodePartial, type Masked, type Partial } from './v1/round-messages.ts';

/** What the vectors of a round look like. */
export interface SumShape {
  readonly round: number;
  readonly length: number;
  readonly bits: number;
}

/**
 * Reads a masked message as an aggregator must before it adds it. `sealedBytes` is that of the secure sum in use.
 * Throws InvalidInputError unless it belongs to this round and has its shape.
 */
export function readMasked(block: Block, sealedBytes: number, shape: SumShape, message: Uint8Array): Masked {
  const masked = decodeMasked(block, sealedBytes, message);
  checkShape(shape, masked);
  return masked;
}

/**
 * Reads a region's `partial` message: whose vectors are in it (ascending), and their sum. Throws InvalidInputError unless it belongs to this round and has
 * its shape.
 */
export function readPartial(block: Block, sealedBytes: number, shape: SumShape, message: Uint8Array): Partial {
  const partial = decodePartial(block, sealedBytes, message);
  checkShape(shape, partial);
  return partial;
}

/** Throws InvalidInputError, saying what differs. */
export function checkShape(shape: SumShape, found: Pick<Masked, 'round' | 'bits' | 'values'>): void {
  if (found.round !== shape.round || found.bits !== shape.bits || found.values.length !== shape.length) {
    throw new InvalidInputError(
      `expected ${shape.length} integers of ${shape.bits} bits for round ${shape.round}, found ${found.values.length} of ${found.bits} bits for round ${found.round}`,
    );
  }
}

/**
 * What a region does: the sum of its clients' masked messages (by member) as one `partial` message. Masks run across the whole federation, so neither the
 * messages nor their sum tell the region anything. Throws InvalidInputError for a message of another shape, and for none at all.
 */
export function addMasked(
  block: Block,
  sealedBytes: number,
  shape: SumShape,
  messages: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const members = [...messages.keys()].sort((a, b) => a - b);
  const masked = members.map((member) => readMasked(block, sealedBytes, shape, messages.get(member) as Uint8Array));
  return encodePartial(block, {
    round: shape.round,
    bits: shape.bits,
    members,
    values: sumModulo(
      masked.map(({ values }) => values),
      shape.bits,
    ),
    sealed: masked.map(({ sealed }) => sealed),
  });
}
