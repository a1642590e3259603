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
  /** 1 to 255. */
  readonly x: number;
  readonly y: Uint8Array;
}

/** At most so many shares can be told apart in GF(2^8). */
export const MAX_SHARES = 255;

/**
 * Shamir's sharing (1979), byte by byte over GF(2^8): the share of x = 1, 2, ..., `shares`. Any `threshold` of them give the secret back, fewer are
 * independent of it. `coefficients` holds those of x^1, then x^2, ..., each as long as the secret: uniform bytes that are used for nothing else.
 * Throws InvalidInputError unless 1 <= threshold <= shares <= 255 and the coefficients have (threshold - 1) times the secret's length.
 */
export function splitSecret(
  secret: Uint8Array,
  { shares, threshold }: { readonly shares: number; readonly threshold: number },
  coefficients: Uint8Array,
): Uint8Array[] {
  if (!(threshold >= 1 && threshold <= shares && shares <= MAX_SHARES)) {
    throw new InvalidInputError(
      `a secret can be split ${MAX_SHARES} ways at most, found ${threshold} of ${shares} shares`,
    );
  }
  const length = secret.length;
  if (coefficients.length !== (threshold - 1) * length) {
    throw new InvalidInputError(
      `expected ${(threshold - 1) * length} bytes of coefficients, found ${coefficients.length}`,
    );
  }
  const times = new Uint8Array(256);
  return Array.from({ length: shares }, (_, i) => {
    for (let a = 0; a < 256; a++) times[a] = multiply(a, i + 1);
    const share = new Uint8Array(length);
    // Horner's rule; a table of multiples of x, because this is the one loop of a block's setup that costs anything.
    for (let power = threshold - 2; power >= 0; power--) {
      for (let k = 0; k < length; k++) {
        share[k] = times[(share[k] as number) ^ (coefficients[power * length + k] as number)] as number;
      }
    }
    for (let k = 0; k < length; k++) share[k] = (share[k] as number) ^ (secret[k] as number);
    return share;
  });
}

/** Weights w of Lagrange's interpolation at 0: the secret is the sum of w[i] y[i] over shares at the points `xs`. */
export function lagrangeAtZero(xs: readonly number[]): number[] {
  if (new Set(xs).size !== xs.length || xs.some((x) => !(x >= 1 && x <= MAX_SHARES))) {
    throw new InvalidInputError(`shares need different points from 1 to ${MAX_SHARES}, found ${xs.join(', ')}`);
  }
  return xs.map((x) =>
    xs.reduce((weight, other) => (other === x ? weight : multiply(weight, divide(other, other ^ x))), 1),
  );
}

/**
 * The secret of which exactly `threshold` shares are given. Sharing authenticates nothing: a wrong share gives a wrong secret, so compare the result with
 * a commitment. Throws InvalidInputError for equal points, points outside 1..255 and shares of different length.
 */
export function recoverSecret(shares: readonly Share[]): Uint8Array {
  const weights = lagrangeAtZero(shares.map(({ x }) => x));
  const secret = new Uint8Array(shares[0]?.y.length ?? 0);
  shares.forEach(({ y }, i) => {
    if (y.length !== secret.length) {
      throw new InvalidInputError(`shares of one secret have one length, found ${secret.length} and ${y.length}`);
    }
    const weight = weights[i] as number;
    for (let k = 0; k < secret.length; k++) secret[k] = (secret[k] as number) ^ multiply(weight, y[k] as number);
  });
  return secret;
}
