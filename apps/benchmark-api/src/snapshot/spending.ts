import type { BudgetAnswer, FederationPlan } from '@fedcarbon/contracts';
import type { Accountant, MechanismEvent } from '@fedcarbon/privacy';
import type { Records } from './records.ts';

type DataSetSpending = BudgetAnswer['dataSets'][number];

/** What the charges to the plan's data sets cost, composed by the accountant from their events. */
export interface Spending {
  /** Largest epsilon of a data set at the plan's delta. */
  readonly epsilonMax: number;
  /** In the plan's order; each at the delta of its own budget. */
  readonly dataSets: readonly DataSetSpending[];
}

/** Charges count over the life of a data set, other plans included. */
export function spendingOf(
  plan: FederationPlan,
  { charges, budgets, ledger }: Pick<Records, 'charges' | 'budgets' | 'ledger'>,
  accountant: Pick<Accountant, 'epsilonOf'>,
): Spending {
  let epsilonMax = 0;
  const dataSets = plan.regions.flatMap(({ members }) =>
    members.map(({ holder, dataset }): DataSetSpending => {
      const own = (row: { readonly holder: string; readonly dataset: string }) =>
        row.holder === holder && row.dataset === dataset;
      const groups = charges.filter(own);
      const events: MechanismEvent[] = groups.map(({ event, count }) => ({ ...event, steps: event.steps * count }));
      const budget = budgets.find(own) ?? plan.privacy;
      epsilonMax = Math.max(epsilonMax, accountant.epsilonOf(events, plan.privacy.delta).epsilon);
      return {
        holder,
        dataset,
        epsilonSpent: accountant.epsilonOf(events, budget.delta).epsilon,
        epsilonBudget: budget.epsilon,
        delta: budget.delta,
        charges: groups.reduce((sum, { count }) => sum + count, 0),
        refusals: ledger.refusals.get(`${holder}/${dataset}`) ?? 0,
      };
    }),
  );
  return { epsilonMax, dataSets };
}
