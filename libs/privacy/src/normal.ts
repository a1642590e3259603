// Looked up once: `Math` in an inner loop is slow where globals are intercepted, as in test sandboxes.
const { ceil, exp } = Math;
const SQRT_PI = Math.sqrt(Math.PI);
const SQRT_HALF_PI = Math.sqrt(Math.PI / 2);

/**
 * exp(x^2) erfc(x) for x >= 0, to about 1e-15 relative.
 * Below 1: exp(x^2) minus the all-positive series of DLMF 7.6.2. From 1 on: the continued fraction of DLMF 7.9.1, summed from its end.
 */
export function erfcx(x: number): number {
  if (x < 1) {
    let term = (2 / SQRT_PI) * x;
    let sum = term;
    for (let n = 1; term > 1e-18 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return exp(x * x) - sum;
  }
  // The error after n levels falls like exp(-x sqrt(8 n)) for n > x^2; 2^-53 = e^-37 needs n = 171 / x^2, plus a few for large x.
  const levels = 12 + ceil(180 / (x * x));
  let tail = x;
  for (let n = levels; n >= 1; n--) tail = x + n / 2 / tail;
  return 1 / (SQRT_PI * tail);
}

/** P[N(0,1) > x] / density(x), the Mills ratio, for x >= 0. */
export function millsRatio(x: number): number {
  return SQRT_HALF_PI * erfcx(x * Math.SQRT1_2);
}

/** Density of N(0, 1). */
export function normalDensity(x: number): number {
  return exp((-x * x) / 2) / (2 * SQRT_HALF_PI);
}

/** P[N(0,1) > x], relative accuracy also far in the upper tail. */
export function normalUpperTail(x: number): number {
  return x >= 0 ? normalDensity(x) * millsRatio(x) : 1 - normalDensity(x) * millsRatio(-x);
}
