import { positionOf, type SegmentEstimate } from '@fedcarbon/benchmark';
import type { PositionAnswer, PositionRequest } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { predict } from '@fedcarbon/learning';
import { type BuildingRecord, encode, type Feature } from '@fedcarbon/stock';
import type { PlanScope } from './plan-scope.ts';
import { sameTerm } from './segment-query.ts';

type Attributes = PositionRequest['attributes'];

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
  const { features } = view.schema;
  const attributes = Object.fromEntries(
    features.map((feature) => [feature.name, valueOf(feature, request.attributes)]),
  );
  const names = features.map(({ name }) => name);
  const unknown = Object.keys(request.attributes).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new InvalidInputError(`unknown attribute "${unknown}"; there are ${names.join(', ')}`, {
      code: 'unknown_attribute',
    });
  }
  // `encode` checks every value itself.
  const codes = encode({ attributes: attributes as unknown as BuildingRecord['attributes'] }, view.schema);
  const [predictedIntensity = NaN] = predict(shape, weights, codes, plan.recipe.yRange);
  const intensity = request.intensity ?? predictedIntensity;
  return {
    predictedIntensity,
    intensity,
    unit: plan.stock.unit,
    position: whole === undefined ? null : positionOf(intensity, whole),
  };
}

/** Absent is unknown; a category may be spelled in any way that `termOf` makes one. */
function valueOf(feature: Feature, attributes: Attributes): string | number | null {
  const value = Object.hasOwn(attributes, feature.name) ? (attributes[feature.name] ?? null) : null;
  if (feature.kind !== 'codebook' || typeof value !== 'string') return value;
  return sameTerm(feature.terms, value) ?? value;
}
