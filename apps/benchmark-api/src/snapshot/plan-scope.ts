import type { FederationPlan } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { type GamShape, gamShape } from '@fedcarbon/learning';
import { binCounts, type StockView, stockView } from '@fedcarbon/plan';

/** A plan, its identity, and how it looks at buildings. */
export interface PlanScope {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly view: StockView;
  readonly shape: GamShape;
}

/** Throws InvalidInputError when the plan names an unknown schema, or its bins are not the schema's. */
export function planScope(plan: FederationPlan, planHash: string): PlanScope {
  const view = stockView(plan.stock);
  const bins = binCounts(view);
  const { binsPerFeature } = plan.recipe;
  if (bins.join() !== binsPerFeature.join()) {
    throw new InvalidInputError(
      `recipe.binsPerFeature is ${binsPerFeature.join(', ')}; the schema ${plan.stock.featureSchema} has ${bins.join(', ')}`,
    );
  }
  return { plan, planHash, view, shape: gamShape(binsPerFeature) };
}
