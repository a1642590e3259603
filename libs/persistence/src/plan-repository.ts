import type { Plan } from './generated/client.ts';
import { clientOf, type Session, toColumn } from './session.ts';

export interface PlanMemberRow {
  readonly holder: string;
  readonly dataset: string;
  readonly region: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}
export interface NewPlan {
  /** SHA-256 of `body`, hexadecimal. */
  readonly planHash: string;
  readonly name: string;
  /** Canonical JSON. */
  readonly body: Uint8Array;
  readonly openedAtMs: number;
  readonly members: readonly PlanMemberRow[];
}
export interface PlanRow {
  readonly planHash: string;
  readonly name: string;
  readonly body: Uint8Array;
  readonly status: 'open' | 'completed';
  readonly openedAtMs: number;
  /** When the operator started it. */
  readonly startedAtMs?: number | undefined;
}

/** Plans and their members. Written by global-aggregator. */
export class PlanRepository {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Stores a plan with its members. False when it is there already; nothing changes then. Use a transaction. */
  async open(plan: NewPlan): Promise<boolean> {
    const client = clientOf(this.#session);
    const { count } = await client.plan.createMany({
      data: {
        planHash: plan.planHash,
        name: plan.name,
        body: toColumn(plan.body),
        openedAt: new Date(plan.openedAtMs),
      },
      skipDuplicates: true,
    });
    if (count === 0) return false;
    await client.member.createMany({
      data: plan.members.map(({ holder, dataset, region, publicKey }) => ({
        planHash: plan.planHash,
        holder,
        dataset,
        region,
        publicKey: toColumn(publicKey),
      })),
    });
    return true;
  }

  async find(planHash: string): Promise<PlanRow | undefined> {
    const row = await clientOf(this.#session).plan.findUnique({ where: { planHash } });
    return row === null ? undefined : toPlan(row);
  }

  /** All plans, oldest first. */
  async list(): Promise<PlanRow[]> {
    const rows = await clientOf(this.#session).plan.findMany({ orderBy: [{ openedAt: 'asc' }, { planHash: 'asc' }] });
    return rows.map(toPlan);
  }

  /** In order of holder. */
  async members(planHash: string): Promise<PlanMemberRow[]> {
    const rows = await clientOf(this.#session).member.findMany({ where: { planHash }, orderBy: { holder: 'asc' } });
    return rows.map(({ holder, dataset, region, publicKey }) => ({ holder, dataset, region, publicKey }));
  }

  /** The newest plan in which `holder` brings in `dataset`, and the key that it has there. */
  async latestMembership(
    holder: string,
    dataset: string,
  ): Promise<{ readonly planHash: string; readonly publicKey: Uint8Array } | undefined> {
    const row = await clientOf(this.#session).member.findFirst({
      where: { holder, dataset },
      orderBy: { plan: { openedAt: 'desc' } },
      select: { planHash: true, publicKey: true },
    });
    return row ?? undefined;
  }

  /** Notes that a plan was started. False when it was before. */
  async start(planHash: string, startedAtMs: number): Promise<boolean> {
    const { count } = await clientOf(this.#session).plan.updateMany({
      where: { planHash, startedAt: null },
      data: { startedAt: new Date(startedAtMs) },
    });
    return count === 1;
  }

  /** Ends a plan. False when it was not open. */
  async complete(planHash: string): Promise<boolean> {
    const { count } = await clientOf(this.#session).plan.updateMany({
      where: { planHash, status: 'open' },
      data: { status: 'completed' },
    });
    return count === 1;
  }
}

function toPlan(row: Plan): PlanRow {
  const { planHash, name, body, openedAt, startedAt } = row;
  return {
    ...{ planHash, name, body },
    // The column's check constraint allows no other.
    status: row.status as PlanRow['status'],
    openedAtMs: openedAt.getTime(),
    startedAtMs: startedAt?.getTime(),
  };
}
