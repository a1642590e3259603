import { FederationPlan, parseStrict, type PlanMember } from '@fedcarbon/contracts';
import { fromUtf8, InvalidInputError, type Sha256, toHex } from '@fedcarbon/kernel';
import type { PlanRow } from '@fedcarbon/persistence';

/** What the directory reads: `PlanRepository` of @fedcarbon/persistence. */
export interface PlanSource {
  find(planHash: string): Promise<PlanRow | undefined>;
  latestMembership(
    holder: string,
    dataset: string,
  ): Promise<{ readonly planHash: string; readonly publicKey: Uint8Array } | undefined>;
}

/** A plan as the accountant uses it. */
export interface KnownPlan {
  readonly plan: FederationPlan;
  readonly members: ReadonlyMap<string, PlanMember>;
}

/** Plans by hash. A plan never changes, so it is read once; whether it is still open is asked under the budget's lock. */
export class PlanDirectory {
  readonly #source: PlanSource;
  readonly #sha256: Sha256;
  readonly #known = new Map<string, KnownPlan>();

  constructor(source: PlanSource, sha256: Sha256) {
    this.#source = source;
    this.#sha256 = sha256;
  }

  /** Throws InvalidInputError (`unknown_plan`) for a hash that no stored plan has. */
  async find(planHash: string): Promise<KnownPlan> {
    const known = this.#known.get(planHash) ?? (await this.#read(planHash));
    this.#known.set(planHash, known);
    return known;
  }

  /** The key of a holder that brings in this data set, from its newest plan. Throws InvalidInputError (`not_a_member`). */
  async keyOf(holder: string, dataset: string): Promise<Uint8Array> {
    const membership = await this.#source.latestMembership(holder, dataset);
    if (membership === undefined) {
      throw new InvalidInputError(`no plan has a member "${holder}" with a data set "${dataset}"`, {
        code: 'not_a_member',
      });
    }
    return membership.publicKey;
  }

  async #read(planHash: string): Promise<KnownPlan> {
    const row = await this.#source.find(planHash);
    // The hash is what holders accepted and sign; the row is only where the bytes are kept.
    if (row === undefined || toHex(this.#sha256(row.body)) !== planHash) {
      throw new InvalidInputError(`there is no plan ${planHash}`, { code: 'unknown_plan' });
    }
    const plan = parseStrict(FederationPlan, JSON.parse(fromUtf8(row.body)), `plan ${planHash}`);
    const members = plan.regions.flatMap((region) => region.members);
    return { plan, members: new Map(members.map((member) => [member.holder, member])) };
  }
}
