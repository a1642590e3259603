import { InvalidInputError } from '@fedcarbon/kernel';
import { factor, inverseDiagonal, solve } from './cholesky.ts';
import { type EncodedStock, type GamShape, middleAndWidth, weightIndices, type YRange } from './gam-shape.ts';

/** Public constants of the on-device model. Nothing is tuned on a holder's records beyond the weights that its evidence gives to these candidates. */
export interface ResidualGrid {
  /** Similarity that one differing feature leaves, each in (0, 1): one kernel per value. */
  readonly similarities: readonly number[];
  /** Part of every kernel that is additive over features (the form of the noise in the global weights), in [0, 1]; the rest knows interactions. */
  readonly additiveShare: number;
  /** Variance explained by the kernel over variance of what it cannot explain. */
  readonly signalToNoise: readonly number[];
  /** How far the global prediction is believed: 1 wholly, 0 not at all (the middle of the y-range instead); with prior weights. */
  readonly trusts: readonly { readonly trust: number; readonly prior: number }[];
  /** Prior weight, in [0, 1), of no local correction at all; the kernels share the rest equally. */
  readonly priorOfNone: number;
  /** A holder with fewer records keeps the global model. */
  readonly minRecords: number;
  /** Records that are fitted at most, evenly spaced in the order given; the work grows with their third power (400: about a second). */
  readonly maxRecords: number;
}

/**
 * Chosen on splits 0 to 9 of the public data sets (`study:residual`), for regional and random holders alike; other splits are reported. The prior of no
 * correction is strong because a few dozen records with an outlier among them favour a correction by chance.
 */
export const RESIDUAL_GRID: ResidualGrid = {
  similarities: [0.9, 0.75, 0.4],
  additiveShare: 0.5,
  signalToNoise: [0.1, 0.3, 1, 3, 10],
  trusts: [
    { trust: 1, prior: 0.5 },
    { trust: 0, prior: 0.5 },
  ],
  priorOfNone: 0.97,
  minRecords: 5,
  maxRecords: 400,
};

/** What a holder found when it validated its model on its own records. It is computed from records: never publish it. */
export interface ResidualValidation {
  /** Records that the model was fitted to and validated on. */
  readonly records: number;
  /** Root mean squared error of the global predictions, in the unit of the target; 0 without records. */
  readonly globalRmse: number;
  /** The same for the holder's own model, each record predicted without itself (leave-one-out); NaN where there are too few records for one. */
  readonly ownRmse: number;
  /** Whether the holder's own model is used: only when its error is the smaller one. */
  readonly used: boolean;
}

/** A holder's own correction of one version of the global model. It holds the holder's records in another form: it must never leave the holder. */
export interface ResidualModel {
  /** SHA-256 of the global model's bytes (`modelBytes`), 64 hexadecimal digits: the version that this corrects. */
  readonly globalDigest: string;
  readonly yRange: YRange;
  readonly shape: GamShape;
  /** Weight of the global prediction, 0 to 1, against the middle of the y-range. */
  readonly trust: number;
  /** m x d bin indices of the records that speak, row-major; none when the global model is used as it is. */
  readonly codes: Uint16Array;
  /** m x (d + 1), row-major, in the unit of the target: what record i adds to the prediction of a building that shares h bins with it. */
  readonly influence: Float64Array;
  /** Outcome less prediction of each fitted record, predicted without itself, ascending, in the unit of the target: what `predictiveInterval` goes by. */
  readonly errors: Float64Array;
}

/**
 * Fits a holder's own model to what the global model gets wrong on the holder's records. Deterministic; no budget is spent, because nothing leaves the holder.
 *
 * Gaussian process regression (Rasmussen and Williams 2006, equations 2.23 to 2.25) with the kernel s h/d + (1 - s) rho^(d - h), where h of the d features
 * fall in the same bin: the first part undoes noise in additive weights, the second is the radial basis function of one-hot codes. Instead of one choice of
 * rho, of the noise and of the trust in the global prediction, all of the public grid are averaged by their evidence (equation 5.8, scale integrated out
 * with the prior 1/sigma), with "no correction" among them: few records move little. Leave-one-out errors (equation 5.12, at these averaging weights) then
 * decide whether the result is used at all.
 *
 * `stock`: n records; its bins may be finer than those of the global model. `globalPredictions`: n predictions of the version `globalDigest`, in the unit of
 * the target. Throws InvalidInputError for lengths that do not fit, a value that is not finite (by index, never by value), and a digest that is none.
 */
export function fitResidual(
  stock: EncodedStock,
  globalPredictions: Float64Array,
  { yRange, globalDigest, grid = RESIDUAL_GRID }: { yRange: YRange; globalDigest: string; grid?: ResidualGrid },
): { model: ResidualModel; validation: ResidualValidation } {
  const { shape } = stock;
  const { middle } = middleAndWidth(yRange);
  requireDigest(globalDigest);
  requireStock(stock, globalPredictions);
  const kept = evenlySpaced(stock.y.length, grid.maxRecords);
  const y = Float64Array.from(kept, (i) => stock.y[i] as number);
  const believed = Float64Array.from(kept, (i) => globalPredictions[i] as number);
  const codes = Uint16Array.from(kept.flatMap((i) => [...stock.codes.subarray(i * shape.d, (i + 1) * shape.d)]));
  const n = y.length;
  const globalErrors = difference(y, believed);
  const globalRmse = n === 0 ? 0 : rootMeanSquare(globalErrors);
  const none = {
    ...{ globalDigest, yRange, shape, trust: 1, codes: new Uint16Array(0), influence: new Float64Array(0) },
    errors: globalErrors.toSorted(),
  };
  if (n < grid.minRecords || globalRmse === 0) {
    return { model: none, validation: { records: n, globalRmse, ownRmse: NaN, used: false } };
  }
  const bases = grid.trusts.map(({ trust, prior }) => {
    const base = believed.map((prediction) => middle + trust * (prediction - middle));
    return { trust, logPrior: Math.log(prior), base, residuals: difference(y, base) };
  });
  const candidates = fitCandidates({ y, codes, d: shape.d, bases, grid });
  const weights = evidenceWeights(candidates.map(({ logEvidence }) => logEvidence));
  const { trust, influence, leftOut } = average(candidates, weights, n, shape.d);
  const ownErrors = difference(y, leftOut);
  const ownRmse = rootMeanSquare(ownErrors);
  const used = ownRmse < globalRmse;
  const model = used ? { globalDigest, yRange, shape, trust, codes, influence, errors: ownErrors.toSorted() } : none;
  return { model, validation: { records: n, globalRmse, ownRmse, used } };
}

/**
 * Predictions of a holder for its own buildings, in the unit of the target and inside the y-range. `codes`: n x d as in the fitted stock; `globalPredictions`:
 * n predictions of the global model whose digest is `globalDigest`. Without a correction they come back unchanged.
 * Throws InvalidInputError when the model corrects another version, and for lengths and codes that do not fit.
 */
export function predictWithResidual(
  model: ResidualModel,
  codes: Uint16Array,
  globalPredictions: Float64Array,
  globalDigest: string,
): Float64Array<ArrayBuffer> {
  const { shape, trust, influence } = model;
  if (model.globalDigest !== globalDigest) {
    throw new InvalidInputError(
      `this on-device model corrects the global model ${model.globalDigest}, not ${globalDigest}; fit it again`,
    );
  }
  const { d } = shape;
  weightIndices(shape, codes); // Refuses codes that are not bins.
  if (codes.length !== globalPredictions.length * d) {
    throw new InvalidInputError(
      `${String(globalPredictions.length)} predictions of ${String(d)} features need ${String(globalPredictions.length * d)} codes, found ${String(codes.length)}`,
    );
  }
  if (influence.length === 0) return Float64Array.from(globalPredictions);
  const { middle } = middleAndWidth(model.yRange);
  const [lo, hi] = model.yRange;
  return Float64Array.from(globalPredictions, (prediction, r) => {
    let value = middle + trust * (prediction - middle);
    for (let i = 0; i * d < model.codes.length; i++) {
      value += influence[i * (d + 1) + sharedBins(codes, r * d, model.codes, i * d, d)] as number;
    }
    return Math.min(hi, Math.max(lo, value));
  });
}

interface Candidate {
  readonly logEvidence: number;
  readonly trust: number;
  /** Leave-one-out predictions, length n. */
  readonly leftOut: Float64Array;
  /** Kernel by number of shared bins, length d + 1, times the signal-to-noise ratio; absent when there is no correction. */
  readonly kernel?: Float64Array;
  /** Dual weights, length n. */
  readonly dual?: Float64Array;
}

interface CandidateInputs {
  readonly y: Float64Array;
  readonly codes: Uint16Array;
  readonly d: number;
  readonly bases: readonly {
    readonly trust: number;
    readonly logPrior: number;
    readonly base: Float64Array;
    /** Target minus base, length n. */
    readonly residuals: Float64Array;
  }[];
  readonly grid: ResidualGrid;
}

function fitCandidates({ y, codes, d, bases, grid }: CandidateInputs): Candidate[] {
  const n = y.length;
  const shared = Uint16Array.from({ length: n * n }, (_, at) =>
    sharedBins(codes, Math.floor(at / n) * d, codes, (at % n) * d, d),
  );
  const logEvidence = (quadratic: number, logDeterminant: number) =>
    -0.5 * n * Math.log(Math.max(quadratic, Number.MIN_VALUE)) - 0.5 * logDeterminant;
  const candidates: Candidate[] = bases.map(({ trust, logPrior, base, residuals }) => ({
    logEvidence: logEvidence(sumOfSquares(residuals), 0) + logPrior + Math.log(grid.priorOfNone),
    trust,
    leftOut: base,
  }));
  const share = (1 - grid.priorOfNone) / (grid.similarities.length * grid.signalToNoise.length);
  for (const similarity of grid.similarities) {
    for (const ratio of grid.signalToNoise) {
      const kernel = Float64Array.from(
        { length: d + 1 },
        (_, h) => ratio * ((grid.additiveShare * h) / d + (1 - grid.additiveShare) * similarity ** (d - h)),
      );
      const matrix = Float64Array.from(shared, (h) => kernel[h] as number);
      for (let i = 0; i < n; i++) matrix[i * (n + 1)] = 1 + (kernel[d] as number);
      const factored = factor(matrix, n);
      const diagonal = inverseDiagonal(factored);
      for (const { trust, logPrior, residuals } of bases) {
        const { x: dual, quadratic } = solve(factored, residuals);
        candidates.push({
          logEvidence: logEvidence(quadratic, factored.logDeterminant) + logPrior + Math.log(share),
          trust,
          leftOut: y.map((target, i) => target - (dual[i] as number) / (diagonal[i] as number)),
          kernel,
          dual,
        });
      }
    }
  }
  return candidates;
}

function average(
  candidates: readonly Candidate[],
  weights: readonly number[],
  n: number,
  d: number,
): { trust: number; influence: Float64Array<ArrayBuffer>; leftOut: Float64Array<ArrayBuffer> } {
  let trust = 0;
  const influence = new Float64Array(n * (d + 1));
  const leftOut = new Float64Array(n);
  candidates.forEach((candidate, c) => {
    const weight = weights[c] as number;
    trust += weight * candidate.trust;
    for (let i = 0; i < n; i++) {
      leftOut[i] = (leftOut[i] as number) + weight * (candidate.leftOut[i] as number);
      for (let h = 0; h <= d && candidate.kernel !== undefined; h++) {
        const at = i * (d + 1) + h;
        influence[at] =
          (influence[at] as number) + weight * (candidate.dual?.[i] as number) * (candidate.kernel[h] as number);
      }
    }
  });
  return { trust: Math.min(1, trust), influence, leftOut };
}

/** Posterior weights of candidates: a softmax, shifted so that it cannot overflow. */
function evidenceWeights(logEvidences: readonly number[]): number[] {
  const largest = Math.max(...logEvidences);
  const weights = logEvidences.map((value) => Math.exp(value - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function sharedBins(a: Uint16Array, atA: number, b: Uint16Array, atB: number, d: number): number {
  let shared = 0;
  for (let f = 0; f < d; f++) if (a[atA + f] === b[atB + f]) shared++;
  return shared;
}

function evenlySpaced(n: number, most: number): number[] {
  const kept = Math.min(n, most);
  return Array.from({ length: kept }, (_, i) => Math.floor((i * n) / kept));
}

function rootMeanSquare(errors: Float64Array): number {
  return Math.sqrt(sumOfSquares(errors) / errors.length);
}

function sumOfSquares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

function difference(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  return Float64Array.from(a, (value, i) => value - (b[i] as number));
}

/** Throws InvalidInputError unless `digest` is a SHA-256 in lower-case hexadecimal. */
export function requireDigest(digest: string): void {
  if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw new InvalidInputError(`a model digest is 64 hexadecimal digits, found "${digest}"`);
  }
}

function requireStock({ shape, codes, y }: EncodedStock, globalPredictions: Float64Array): void {
  weightIndices(shape, codes);
  for (const [what, length] of [
    ['codes', codes.length / shape.d],
    ['global predictions', globalPredictions.length],
  ] as const) {
    if (length !== y.length) {
      throw new InvalidInputError(`${String(y.length)} records need as many ${what}, found ${String(length)}`);
    }
  }
  // The index alone: a message must not carry a holder's figure.
  const bad = y.findIndex((target, i) => !Number.isFinite(target) || !Number.isFinite(globalPredictions[i]));
  if (bad >= 0) throw new InvalidInputError(`the target or prediction of record ${String(bad)} is not a finite number`);
}
