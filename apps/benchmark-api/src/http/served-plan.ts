import type { FederationPlan } from '@fedcarbon/contracts';
import { problem } from '@fedcarbon/service';
import type { Snapshot } from '../snapshot/snapshot.ts';

/** The plan that this process answers for. */
export class ServedPlan {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly #keeper: { readonly current: Snapshot | undefined };

  constructor(plan: FederationPlan, planHash: string, keeper: { readonly current: Snapshot | undefined }) {
    this.plan = plan;
    this.planHash = planHash;
    this.#keeper = keeper;
  }

  get trust(): FederationPlan['privacy']['trust'] {
    return this.plan.privacy.trust;
  }

  /** The current snapshot. Throws a 503 problem before the first one. */
  snapshot(): Snapshot {
    const snapshot = this.#keeper.current;
    if (snapshot !== undefined) return snapshot;
    throw problem(503, 'no_snapshot', 'Not ready', 'the database has not been read yet; ask again in a few seconds');
  }
}
