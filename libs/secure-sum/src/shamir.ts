import { InvalidInputError } from '@fedcarbon/kernel';

/**
 * GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (0x11b) by logarithms to base 3. Table look-ups depend on secrets: not for a machine that is shared with somebody
 * who must not learn them.
 */
const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);
for (let i = 0, power = 1; i < 255; i++) {
  EXP[i] = EXP[i + 255] = power;
  LOG[power] = i;
  const doubled = (power << 1) ^ (power & 0x80 ? 0x11b : 0);
  power ^= doubled;
}

/** a b in GF(2^8). */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[(LOG[a] as number) + (LOG[b] as number)] as number);
}

/** a / b in GF(2^8), b not 0. */
function divide(a: number, b: number): number {
  return a === 0 ? 0 : (EXP[(LOG[a] as number) + 255 - (LOG[b] as number)] as number);
}

/** A share of a secret: the value at `x` of one polynomial per byte. */
export interface Share {
  /** 1 to 255; the secret itself is the value at 0. */
  readonly x: number;
  readonly y: Uint8Array;
}

/** At most so many shares can be told apart in GF(2^8). */
export const MAX_SHARES = 255;

/** Weights w of Lagrange's interpolation: the value at `x` is the sum of w[i] y[i] over the values at the points `xs`. */
export function lagrangeWeights(xs: readonly number[], x: number): number[] {
  if (new Set(xs).size !== xs.length || xs.some((point) => !(point >= 0 && point <= MAX_SHARES))) {
    throw new InvalidInputError(`shares need different points from 0 to ${MAX_SHARES}, found ${xs.join(', ')}`);
  }
  return xs.map((point) =>
    xs.reduce((weight, other) => (other === point ? weight : multiply(weight, divide(x ^ other, point ^ other))), 1),
  );
}

/**
 * Value at `x` of the polynomials of least degree through `points`, byte by byte over GF(2^8). With it goes all of Shamir's sharing (1979) with threshold
 * t: the secret at 0 and t - 1 shares, uniform and independent of it, may be chosen at will; they fix the polynomials of degree t - 1, hence every other
 * share, and any t shares give the value at 0 back. Fewer are independent of the secret: for each value at 0 the t - 1 free shares run through all values,
 * and any t - 1 shares do so with them, one for one.
 * Sharing authenticates nothing: a wrong share gives a wrong secret, so compare the result with a commitment. Throws InvalidInputError for equal points,
 * points outside 0..255 and shares of different length.
 */
export function interpolate(points: readonly Share[], x: number): Uint8Array {
  const weights = lagrangeWeights(
    points.map((point) => point.x),
    x,
  );
  const value = new Uint8Array(points[0]?.y.length ?? 0);
  points.forEach(({ y }, i) => {
    if (y.length !== value.length) {
      throw new InvalidInputError(`shares of one secret have one length, found ${value.length} and ${y.length}`);
    }
    const weight = weights[i] as number;
    for (let k = 0; k < value.length; k++) value[k] = (value[k] as number) ^ multiply(weight, y[k] as number);
  });
  return value;
}
