import type { MechanismEvent } from '@fedcarbon/contracts';
import { clientOf, type Session } from './session.ts';

/** A number of equal charges to one data set. */
export interface ChargeGroup {
  readonly holder: string;
  readonly dataset: string;
  readonly event: MechanismEvent;
  readonly count: number;
}
export interface BudgetRow {
  readonly holder: string;
  readonly dataset: string;
  readonly epsilon: number;
  readonly delta: number;
}

/** What global-aggregator and benchmark-api may know of budgets: what was committed, never what is only reserved. */
export class ChargeRepository {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Committed charges over the life of each data set, equal events together, in order of holder and data set. */
  async committed(): Promise<ChargeGroup[]> {
    const rows = await clientOf(this.#session).$queryRaw<
      {
        holder: string;
        dataset: string;
        sigma_squared: number;
        sensitivity_squared: number;
        steps: number;
        count: number;
      }[]
    >`SELECT holder, dataset, sigma_squared, sensitivity_squared, steps, count(*)::int AS count FROM privacy.charge
      GROUP BY holder, dataset, sigma_squared, sensitivity_squared, steps
      ORDER BY holder, dataset, sigma_squared, sensitivity_squared, steps`;
    return rows.map(({ holder, dataset, sigma_squared, sensitivity_squared, steps, count }) => ({
      holder,
      dataset,
      event: { kind: 'discreteGaussian', sigmaSquared: sigma_squared, sensitivitySquared: sensitivity_squared, steps },
      count,
    }));
  }

  /** All budgets, in order of holder and data set. */
  async budgets(): Promise<BudgetRow[]> {
    return clientOf(this.#session).budget.findMany({
      select: { holder: true, dataset: true, epsilon: true, delta: true },
      orderBy: [{ holder: 'asc' }, { dataset: 'asc' }],
    });
  }
}
