import { type GamShape, middleAndWidth, requireWeights, scores, weightIndices, type YRange } from './gam-shape.ts';

/**
 * Predicted targets, one per record, in the unit of the y-range and inside it: mid + (hi - lo) * clip(sum of the d weights, -1/2, 1/2).
 * `codes`: n x d, row-major, as in EncodedStock. Throws InvalidInputError for a code that is not a bin and for lengths that do not fit.
 */
export function predict(
  shape: GamShape,
  weights: Float64Array,
  codes: Uint16Array,
  yRange: YRange,
): Float64Array<ArrayBuffer> {
  requireWeights(weights, shape.p, 'the weights');
  const { middle, width } = middleAndWidth(yRange);
  return scores(weights, weightIndices(shape, codes), shape.d).map(
    (score) => middle + width * Math.min(0.5, Math.max(-0.5, score)),
  );
}
