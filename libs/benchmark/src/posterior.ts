import type { SegmentCounts } from './reconcile.ts';

// Looked up once: a global looked up in an inner loop is slow where code runs in a context of its own, as under jest.
const { cos, exp, floor, log, max, min, PI, sin, sqrt, SQRT2 } = Math;

/** Fine cells of the sampled densities. Nothing finer is resolved: see `estimatePercentiles`. */
export const GRID_CELLS = 40;

// The public prior, in units of the outcome's range (its width is 1). It was fixed by its width, not fitted to records: a centre anywhere in the
// range, a spread from a fifteenth of the range to more than half of it, and waves that allow several peaks.
const CENTRE = { mean: 0.5, sd: 0.25 };
const SPREAD = { median: 0.2, logSd: 0.6 };
const WAVES = { count: 12, sd: 1.5, correlationLength: 0.1 };
/** Relative standard deviation of the true number of records around the plan's public nominal number. */
const NOMINAL_TOLERANCE = 0.1;
/** A smooth density is not held to a bin's count more closely than this share of all records. */
const MISFIT_SHARE = 0.01;

const BURN_IN = 300;
const ITERATIONS = 2000;
const THINNING = 2;

/** Position of the three scalar coordinates; the log density's waves follow, one value per fine cell. */
const [CENTRE_AT, SPREAD_AT, TOTAL_AT, WAVES_AT] = [0, 1, 2, 3];

/**
 * Draws from the posterior of a segment's distribution given its noisy counts: each draw is the cumulative distribution at the GRID_CELLS + 1
 * limits of the fine cells.
 *
 * Prior: log density = -(x - centre)^2 / (2 spread^2) + sum of cosine waves with Gaussian weights (a logistic Gaussian process, Lenk 1988).
 * Likelihood: count of bin j = total * mass of bin j + N(0, noiseSd^2), for every bin of every histogram; the total is the public nominal number
 * within its tolerance, or anything below it for a part. Sampler: elliptical slice sampling (Murray, Adams, MacKay 2010), which has no step to tune.
 * Its randomness is a fixed sequence: this is numerical integration, not privacy noise, and the same release must always give the same answer.
 */
export function samplePosterior(
  range: readonly [number, number],
  segment: SegmentCounts,
  nominalRecords: number,
): Float64Array[] {
  const random = new FixedSequence();
  const waves = waveBasis();
  const model = new Model(range, segment, nominalRecords);
  const size = WAVES_AT + GRID_CELLS;
  let state = new Float64Array(size);
  let proposal = new Float64Array(size);
  const direction = new Float64Array(size);
  let fit = model.logLikelihood(state);
  const draws: Float64Array[] = [];
  for (let iteration = 0; iteration < BURN_IN + ITERATIONS; iteration++) {
    drawPrior(direction, waves, random);
    const threshold = fit + log(random.uniform());
    let angle = 2 * PI * random.uniform();
    let [from, to] = [angle - 2 * PI, angle];
    for (;;) {
      const along = cos(angle);
      const across = sin(angle);
      for (let d = 0; d < size; d++) proposal[d] = (state[d] as number) * along + (direction[d] as number) * across;
      fit = model.logLikelihood(proposal);
      // A bracket shrunk to nothing is the current state itself, up to rounding.
      if (fit > threshold || to - from < 1e-12) break;
      if (angle < 0) from = angle;
      else to = angle;
      angle = from + (to - from) * random.uniform();
    }
    [state, proposal] = [proposal, state];
    if (iteration >= BURN_IN && iteration % THINNING === 0) draws.push(model.cumulative.slice());
  }
  return draws;
}

/** A histogram as the likelihood needs it. */
interface Measured {
  readonly counts: Float64Array;
  readonly variance: number;
  /** Upper edge of each bin in fine cells from the lower end of the range. */
  readonly upper: Float64Array;
}

class Model {
  /** Cumulative distribution at the limits of the fine cells, of the state last looked at. */
  readonly cumulative = new Float64Array(GRID_CELLS + 1);
  readonly #whole: boolean;
  readonly #nominalRecords: number;
  readonly #histograms: readonly Measured[];

  constructor([low, high]: readonly [number, number], { histograms, whole }: SegmentCounts, nominalRecords: number) {
    this.#whole = whole;
    this.#nominalRecords = nominalRecords;
    this.#histograms = histograms.map(({ edges, counts, noiseSd }) => ({
      counts,
      variance: noiseSd ** 2 + (MISFIT_SHARE * nominalRecords) ** 2,
      upper: Float64Array.from(edges.slice(1), (edge) => ((edge - low) / (high - low)) * GRID_CELLS),
    }));
  }

  logLikelihood(state: Float64Array): number {
    this.#integrate(state);
    const total = this.#total(state[TOTAL_AT] as number);
    let sum = 0;
    for (const { counts, variance, upper } of this.#histograms) {
      let squares = 0;
      let below = 0;
      for (let bin = 0; bin < counts.length; bin++) {
        const upTo = massBelow(this.cumulative, upper[bin] as number);
        squares += ((counts[bin] as number) - total * (upTo - below)) ** 2;
        below = upTo;
      }
      sum += squares / variance;
    }
    return -sum / 2;
  }

  #total(z: number): number {
    // The logistic of 1.6 z is nearly the normal distribution function: uniform from 0 to all records.
    return this.#whole ? this.#nominalRecords * exp(NOMINAL_TOLERANCE * z) : this.#nominalRecords / (1 + exp(-1.6 * z));
  }

  #integrate(state: Float64Array): void {
    const centre = CENTRE.mean + CENTRE.sd * (state[CENTRE_AT] as number);
    const spread = SPREAD.median * exp(SPREAD.logSd * (state[SPREAD_AT] as number));
    // Relative to the nearest point of the range, so that a far centre with a small spread does not underflow everywhere.
    const peak = ((min(1, max(0, centre)) - centre) / spread) ** 2 / 2;
    const cumulative = this.cumulative;
    let sum = 0;
    for (let cell = 0; cell < GRID_CELLS; cell++) {
      const distance = ((cell + 0.5) / GRID_CELLS - centre) / spread;
      sum += exp(peak - (distance * distance) / 2 + (state[WAVES_AT + cell] as number));
      cumulative[cell + 1] = sum;
    }
    for (let limit = 1; limit <= GRID_CELLS; limit++) cumulative[limit] = (cumulative[limit] as number) / sum;
  }
}

/** Mass below a position in fine cells, linear within a cell. */
export function massBelow(cumulative: Float64Array, position: number): number {
  const cell = min(GRID_CELLS - 1, max(0, floor(position)));
  const below = cumulative[cell] as number;
  const above = cumulative[cell + 1] as number;
  return below + (above - below) * (position - cell);
}

/** Position, in fine cells, below which the mass `level` lies. The inverse of `massBelow`. */
export function quantile(cumulative: Float64Array, level: number): number {
  let cell = 0;
  while (cell < GRID_CELLS - 1 && (cumulative[cell + 1] as number) < level) cell++;
  const below = cumulative[cell] as number;
  const above = cumulative[cell + 1] as number;
  return above > below ? cell + min(1, max(0, (level - below) / (above - below))) : cell;
}

/** Cosines over the fine cells, weighted as a squared-exponential covariance of the given length: smooth waves are large, fine ones small. */
function waveBasis(): Float64Array[] {
  const weights = Array.from({ length: WAVES.count }, (_, k) =>
    exp(-((PI * (k + 1) * WAVES.correlationLength) ** 2) / 4),
  );
  const norm = sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0));
  return weights.map((weight, k) =>
    Float64Array.from(
      { length: GRID_CELLS },
      (_, cell) => ((WAVES.sd * weight) / norm) * SQRT2 * cos((PI * (k + 1) * (cell + 0.5)) / GRID_CELLS),
    ),
  );
}

function drawPrior(target: Float64Array, waves: readonly Float64Array[], random: FixedSequence): void {
  target.fill(0);
  for (let d = 0; d < WAVES_AT; d++) target[d] = random.gaussian();
  for (const wave of waves) {
    const weight = random.gaussian();
    for (let cell = 0; cell < GRID_CELLS; cell++) {
      target[WAVES_AT + cell] = (target[WAVES_AT + cell] as number) + weight * (wave[cell] as number);
    }
  }
}

/** The same sequence every time: xorshift32 (Marsaglia 2003, shifts 13, 17, 5). For numerical integration only, never for privacy. */
class FixedSequence {
  #state = 0x9e3779b9;

  /** In (0, 1). */
  uniform(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return ((x >>> 0) + 0.5) / 2 ** 32;
  }

  gaussian(): number {
    return sqrt(-2 * log(this.uniform())) * cos(2 * PI * this.uniform());
  }
}
