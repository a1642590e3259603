import { fromHex, InvalidInputError, toHex } from '@fedcarbon/kernel';
import { gamShape, middleAndWidth, weightIndices } from './gam-shape.ts';
import { requireDigest, type ResidualModel } from './residual-model.ts';

const VERSION = 1;
const DIGEST_BYTES = 32;
const HEADER_BYTES = 1 + DIGEST_BYTES + 24 + 2 + 4 + 4;

/**
 * The bytes under which a holder keeps its own model, for itself alone:
 *
 *     version u8 = 1 | SHA-256 of the global model it corrects, 32 bytes | lo, hi, trust, binary64 each | d u16 | m u32 | n u32
 *     | d bin counts, u32 each | m x d codes, u16 each | m x (d + 1) influences, binary64 each | n errors, binary64 each
 *
 * All little-endian. Throws InvalidInputError for a digest that is none and lengths that do not fit.
 */
export function residualBytes(model: ResidualModel): Uint8Array<ArrayBuffer> {
  const { shape, codes, influence, errors, yRange, trust } = model;
  const { d } = shape;
  requireDigest(model.globalDigest);
  const m = codes.length / d;
  if (!Number.isInteger(m) || influence.length !== m * (d + 1)) {
    throw new InvalidInputError(
      `${String(codes.length)} codes of ${String(d)} features do not go with ${String(influence.length)} influences`,
    );
  }
  const bytes = new Uint8Array(size(d, m, errors.length));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  bytes.set(fromHex(model.globalDigest), 1);
  let at = 1 + DIGEST_BYTES;
  for (const value of [...yRange, trust]) {
    view.setFloat64(at, value, true);
    at += 8;
  }
  view.setUint16(at, d, true);
  view.setUint32(at + 2, m, true);
  view.setUint32(at + 6, errors.length, true);
  at += 10;
  for (const bins of shape.binsPerFeature) {
    view.setUint32(at, bins, true);
    at += 4;
  }
  for (const code of codes) {
    view.setUint16(at, code, true);
    at += 2;
  }
  for (const value of [...influence, ...errors]) {
    view.setFloat64(at, value, true);
    at += 8;
  }
  return bytes;
}

/** The model that `residualBytes` wrote. Throws InvalidInputError for another version, a wrong length, a value out of range. */
export function residualFromBytes(bytes: Uint8Array): ResidualModel {
  if (bytes.length < HEADER_BYTES) {
    throw new InvalidInputError(`an on-device model of ${String(bytes.length)} bytes is shorter than its header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== VERSION) {
    throw new InvalidInputError(
      `on-device model version ${String(view.getUint8(0))} is not version ${String(VERSION)}`,
    );
  }
  const globalDigest = toHex(bytes.subarray(1, 1 + DIGEST_BYTES));
  let at = 1 + DIGEST_BYTES;
  const real = () => {
    const value = view.getFloat64(at, true);
    at += 8;
    if (!Number.isFinite(value)) throw new InvalidInputError('an on-device model must hold finite numbers');
    return value;
  };
  const yRange = [real(), real()] as const;
  middleAndWidth(yRange);
  const trust = real();
  if (!(trust >= 0 && trust <= 1)) {
    throw new InvalidInputError(`the trust of an on-device model must lie in [0, 1], found ${String(trust)}`);
  }
  const d = view.getUint16(at, true);
  const m = view.getUint32(at + 2, true);
  const n = view.getUint32(at + 6, true);
  at += 10;
  if (bytes.length !== size(d, m, n)) {
    throw new InvalidInputError(
      `an on-device model of these sizes takes ${String(size(d, m, n))} bytes, found ${String(bytes.length)}`,
    );
  }
  const shape = gamShape(Array.from({ length: d }, (_, a) => view.getUint32(at + 4 * a, true)));
  at += 4 * d;
  const codes = Uint16Array.from({ length: m * d }, (_, j) => view.getUint16(at + 2 * j, true));
  weightIndices(shape, codes);
  at += 2 * m * d;
  const influence = Float64Array.from({ length: m * (d + 1) }, real);
  const errors = Float64Array.from({ length: n }, real);
  if (errors.some((error, i) => error < (errors[i - 1] ?? -Infinity))) {
    throw new InvalidInputError('the errors of an on-device model must ascend');
  }
  return { globalDigest, yRange, shape, trust, codes, influence, errors };
}

function size(d: number, m: number, n: number): number {
  return HEADER_BYTES + 4 * d + 2 * m * d + 8 * m * (d + 1) + 8 * n;
}
