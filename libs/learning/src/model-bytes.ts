import { InvalidInputError } from '@fedcarbon/kernel';
import { requireWeights } from './gam-shape.ts';

const VERSION = 1;
const HEADER_BYTES = 5;

/**
 * The one byte string of a model's weights, for its digest:
 *
 *     version u8 = 1 | p u32, little-endian | p weights, IEEE 754 binary64, little-endian
 *
 * Shape and y-range are fixed by the plan, whose hash stands beside the digest. Throws InvalidInputError for no weights and for one that is not finite.
 */
export function modelBytes(weights: Float64Array): Uint8Array<ArrayBuffer> {
  requireWeights(weights, Math.max(1, weights.length), 'the weights');
  const bytes = new Uint8Array(HEADER_BYTES + 8 * weights.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint32(1, weights.length, true);
  // + 0 turns -0 into 0: equal weights, one digest.
  weights.forEach((weight, j) => {
    view.setFloat64(HEADER_BYTES + 8 * j, weight + 0, true);
  });
  return bytes;
}

/**
 * The weights that `modelBytes` wrote; whatever is accepted encodes to the same bytes again.
 * Throws InvalidInputError for another version, a length that does not fit p, and a weight that is not finite or is -0.
 */
export function modelFromBytes(bytes: Uint8Array): Float64Array<ArrayBuffer> {
  if (bytes.length < HEADER_BYTES) {
    throw new InvalidInputError(
      `a model of ${String(bytes.length)} bytes is shorter than its header of ${String(HEADER_BYTES)}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0);
  if (version !== VERSION)
    throw new InvalidInputError(`model version ${String(version)} is not version ${String(VERSION)}`);
  const p = view.getUint32(1, true);
  if (bytes.length !== HEADER_BYTES + 8 * p) {
    throw new InvalidInputError(
      `a model of ${String(p)} weights takes ${String(HEADER_BYTES + 8 * p)} bytes, this one has ${String(bytes.length)}`,
    );
  }
  const weights = Float64Array.from({ length: p }, (_, j) => view.getFloat64(HEADER_BYTES + 8 * j, true));
  requireWeights(weights, Math.max(1, p), 'the weights');
  if (weights.some((weight) => Object.is(weight, -0))) throw new InvalidInputError('a model must not hold -0');
  return weights;
}
