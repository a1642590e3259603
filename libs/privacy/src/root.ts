/**
 * Least positive argument, within `relativeTolerance`, at which the non-increasing positive function `f` has come down to `target`.
 * The result x itself fulfils f(x) <= target. Regula falsi on log f (Illinois variant), kept inside a shrinking bracket; f near 0 must exceed `target`.
 */
export function leastArgument(
  f: (x: number) => number,
  target: number,
  guess: number,
  relativeTolerance = 1e-13,
): number {
  const excess = (x: number): number => Math.log(f(x) / target);
  let low = 0;
  let lowExcess = NaN;
  let high = guess;
  let highExcess = excess(high);
  while (highExcess > 0) {
    low = high;
    lowExcess = highExcess;
    high *= 1.1;
    highExcess = excess(high);
  }
  while (low < high / 1.1 && Number.isNaN(lowExcess)) {
    const probe = high / 1.1;
    const probeExcess = excess(probe);
    if (probeExcess > 0) {
      low = probe;
      lowExcess = probeExcess;
    } else {
      high = probe;
      highExcess = probeExcess;
    }
  }
  let lastSide = 0;
  for (let halving = 0; high - low > relativeTolerance * high; halving++) {
    const width = high - low;
    const secant = low + (width * lowExcess) / (lowExcess - highExcess);
    // A step of at least half the tolerance inside the bracket makes both of its ends converge; every fourth step halves it whatever f looks like.
    const margin = 0.5 * relativeTolerance * high;
    const proposal = Number.isFinite(secant) && halving % 4 < 3 ? secant : low + width / 2;
    const x = Math.min(Math.max(proposal, low + margin), high - margin);
    if (x <= low || x >= high) break;
    const value = excess(x);
    if (value > 0) {
      low = x;
      lowExcess = value;
      if (lastSide > 0) highExcess /= 2;
      lastSide = 1;
    } else {
      high = x;
      highExcess = value;
      if (lastSide < 0) lowExcess /= 2;
      lastSide = -1;
    }
  }
  return high;
}
