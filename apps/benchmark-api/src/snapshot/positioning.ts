import { positionOf, type SegmentEstimate } from '@fedcarbon/benchmark';
import type { PositionAnswer, PositionRequest } from '@fedcarbon/contracts';
import { predict } from '@fedcarbon/learning';
import { encodeBuilding } from '@fedcarbon/plan';
import type { PlanScope } from './plan-scope.ts';

/**
 * Predicts a building's intensity and places it among all records. `weights`: the published model; `whole`: the estimate for all records, where released.
 * Throws InvalidInputError for an attribute that is no feature of the plan or has a value that no bin takes.
 */
export function position(
  { plan, view, shape }: PlanScope,
  weights: Float64Array,
  whole: SegmentEstimate | undefined,
  request: PositionRequest,
): Omit<PositionAnswer, 'provenance'> {
  const codes = encodeBuilding(view, request.attributes);
  const [predictedIntensity = NaN] = predict(shape, weights, codes, plan.recipe.yRange);
  const intensity = request.intensity ?? predictedIntensity;
  return {
    predictedIntensity,
    intensity,
    unit: plan.stock.unit,
    position: whole === undefined ? null : positionOf(intensity, whole),
  };
}
