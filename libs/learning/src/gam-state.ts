import { InvalidInputError } from '@fedcarbon/kernel';
import { requireWeights } from './gam-shape.ts';

/** Momentum of the descent. Chosen on means over the three public data sets, not per deployment. */
export const MOMENTUM = 0.6;

/** Public constants of the descent; all parties use the same. */
export interface GamHyperparameters {
  /** T, the planned rounds; without spare rounds, which only replace rounds that fail. */
  readonly rounds: number;
  /** N, the public nominal number of records of the whole federation. The true number is private. */
  readonly nominalRecords: number;
  /** In [0, 1); usually MOMENTUM. */
  readonly momentum: number;
  /** From `stepSize`. */
  readonly learningRate: number;
}

/**
 * The model between two rounds. A pure fold of the aggregates so far: whoever holds the aggregates rebuilds the same bits, since only addition,
 * multiplication and division of doubles are used. Weights are in units of the y-range's width.
 */
export interface GamState {
  readonly weights: Float64Array;
  readonly velocity: Float64Array;
  /** Sum of the iterates of the second half; divided by `averagedRounds` in `finalWeights`. */
  readonly averageSum: Float64Array;
  readonly averagedRounds: number;
  /** Aggregates taken so far, 0 to T. */
  readonly round: number;
}

/** The state before the first round: every weight 0, so that every prediction is the middle of the y-range. */
export function initialState(p: number): GamState {
  if (!Number.isInteger(p) || p < 1)
    throw new InvalidInputError(`a model needs at least one weight, found ${String(p)}`);
  return {
    weights: new Float64Array(p),
    velocity: new Float64Array(p),
    averageSum: new Float64Array(p),
    averagedRounds: 0,
    round: 0,
  };
}

/**
 * The state after one more round: v <- momentum * v + S / N, w <- w - learningRate * v; iterates count in the average from round floor(T / 2) on,
 * counted from 0. `aggregate` S is the noisy sum over all holders, p signed integers. The given state is not changed.
 * Throws InvalidInputError for a wrong length, a value that is not finite, unusable hyperparameters, and a round beyond the planned ones.
 */
export function advance(state: GamState, aggregate: ArrayLike<number>, hyperparameters: GamHyperparameters): GamState {
  const { rounds, nominalRecords, momentum, learningRate } = requireHyperparameters(hyperparameters);
  requireWeights(aggregate, state.weights.length, 'the aggregate');
  if (state.round >= rounds) {
    throw new InvalidInputError(
      `round ${String(state.round)} is beyond the ${String(rounds)} planned rounds (counted from 0)`,
    );
  }
  const velocity = state.velocity.map((v, j) => momentum * v + (aggregate[j] as number) / nominalRecords);
  const weights = state.weights.map((w, j) => w - learningRate * (velocity[j] as number));
  const averaged = state.round >= Math.floor(rounds / 2);
  return {
    weights,
    velocity,
    averageSum: averaged ? state.averageSum.map((sum, j) => sum + (weights[j] as number)) : state.averageSum,
    averagedRounds: state.averagedRounds + (averaged ? 1 : 0),
    round: state.round + 1,
  };
}

/**
 * Weights to publish: the average of the second half's iterates, which is post-processing and costs no budget. When training ends early this is the
 * average so far; before the second half begins there is none yet, and it is the current weights.
 */
export function finalWeights(state: GamState): Float64Array<ArrayBuffer> {
  const { averageSum, averagedRounds, weights } = state;
  return averagedRounds === 0
    ? Float64Array.from(weights)
    : Float64Array.from(averageSum, (sum) => sum / averagedRounds);
}

function requireHyperparameters(hyperparameters: GamHyperparameters): GamHyperparameters {
  const { rounds, nominalRecords, momentum, learningRate } = hyperparameters;
  const refuse = (what: string, found: number): never => {
    throw new InvalidInputError(`${what}, found ${String(found)}`);
  };
  if (!Number.isInteger(rounds) || rounds < 1) refuse('the planned rounds must be a whole number from 1', rounds);
  if (!Number.isInteger(nominalRecords) || nominalRecords < 1) {
    refuse('the nominal records must be a whole number from 1', nominalRecords);
  }
  if (!(momentum >= 0 && momentum < 1)) refuse('the momentum must be in [0, 1)', momentum);
  if (!(learningRate > 0 && Number.isFinite(learningRate))) refuse('the learning rate must be positive', learningRate);
  return hyperparameters;
}
