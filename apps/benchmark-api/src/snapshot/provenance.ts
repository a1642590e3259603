import type { FederationPlan, Provenance } from '@fedcarbon/contracts';
import { trustAssumption } from '@fedcarbon/plan';
import type { PlanScope } from './plan-scope.ts';
import type { Records } from './records.ts';

/** What every answer carries. */
export function provenanceOf(
  { plan, planHash }: PlanScope,
  { ledger }: Records,
  published: Pick<Provenance, 'modelVersion' | 'benchmarkVersion' | 'epsilon'>,
): Provenance {
  const { epsilon, delta, trust, adjacency } = plan.privacy;
  return {
    plan: { name: plan.name, hash: planHash },
    simulation: plan.simulation,
    data: plan.stock.data,
    ...published,
    epsilonBudget: epsilon,
    delta,
    trust,
    assumption: trustAssumption(plan),
    adjacency,
    groupPrivacy: groupPrivacy(plan),
    ledger: { size: ledger.size, root: ledger.root },
  };
}

/** Budgets belong to data sets, so a building in several of them is paid for in each (basic composition: epsilons and deltas add up). */
function groupPrivacy({ privacy: { epsilon, delta } }: FederationPlan): string {
  return (
    `A building that m holders report is protected at the composition of m budgets: at most m x ${String(epsilon)} epsilon ` +
    `at m x ${String(delta)} delta.`
  );
}
