import type { FederationPlan } from '@fedcarbon/contracts';
import { type BudgetRow, ChargeRepository, createDatabase } from '@fedcarbon/persistence';

/** What to say of the budgets that a plan lowers; undefined when it lowers none. The accountant keeps the least epsilon and delta ever given for a data set. */
export function loweredBudgets(
  { privacy, regions }: Pick<FederationPlan, 'privacy' | 'regions'>,
  budgets: readonly BudgetRow[],
): string | undefined {
  const members = new Set(
    regions.flatMap((region) => region.members.map(({ holder, dataset }) => key(holder, dataset))),
  );
  const lowered = budgets.filter(
    ({ holder, dataset, epsilon, delta }) =>
      members.has(key(holder, dataset)) && (privacy.epsilon < epsilon || privacy.delta < delta),
  );
  if (lowered.length === 0) return undefined;
  const most = (values: readonly number[]) => String(Math.max(...values));
  return (
    `budgets of ${String(lowered.length)} data sets are lowered for good, for later plans too: to epsilon ${String(privacy.epsilon)} at delta ${String(privacy.delta)}, ` +
    `from up to epsilon ${most(lowered.map(({ epsilon }) => epsilon))} at delta ${most(lowered.map(({ delta }) => delta))}`
  );
}

const key = (holder: string, dataset: string) => JSON.stringify([holder, dataset]);

/** The budgets in a database. */
export async function readBudgets(url: string): Promise<BudgetRow[]> {
  const database = createDatabase({ url, poolSize: 1 });
  try {
    return await new ChargeRepository(database.session).budgets();
  } finally {
    await database.close();
  }
}
