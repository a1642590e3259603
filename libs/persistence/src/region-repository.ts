import type { Verdict } from '@fedcarbon/contracts';
import type { RegionRound, RegionUpdate } from './generated/client.ts';
import { clientOf, type Session, toColumn } from './session.ts';

export interface NewRegionRound {
  readonly roundId: string;
  readonly planHash: string;
  /** The signed `round.opened` bytes, as they are forwarded. */
  readonly task: Uint8Array;
  readonly taskSignature: Uint8Array;
  readonly picked: readonly string[];
  readonly deadlineAtMs: number;
}
export interface RegionRoundRow extends NewRegionRound {
  readonly region: string;
  readonly status: 'collecting' | 'reported';
  /** The signed report, once there is one. */
  readonly report?: Uint8Array | undefined;
  readonly reportSignature?: Uint8Array | undefined;
}
export interface UpdateKey {
  readonly roundId: string;
  readonly holder: string;
  readonly attempt: number;
  readonly updateDigest: string;
}
export interface RegionUpdateRow extends UpdateKey {
  /** Packed integers. */
  readonly payload: Uint8Array;
  readonly verdict: Verdict;
  readonly reason?: string | undefined;
  readonly receipt: Uint8Array;
  readonly receiptSignature: Uint8Array;
  readonly receivedAtMs: number;
}
export interface DeclinedRow {
  readonly roundId: string;
  readonly holder: string;
  readonly decline: Uint8Array;
  readonly signature: Uint8Array;
  readonly receivedAtMs: number;
}

/** What one regional aggregator knows of its rounds. */
export class RegionRepository {
  readonly #session: Session;
  readonly #region: string;

  constructor(session: Session, region: string) {
    this.#session = session;
    this.#region = region;
  }

  /** Stores a round that was opened. False when it is there already. */
  async openRound(round: NewRegionRound): Promise<boolean> {
    const { count } = await clientOf(this.#session).regionRound.createMany({
      data: {
        region: this.#region,
        roundId: round.roundId,
        planHash: round.planHash,
        task: toColumn(round.task),
        taskSignature: toColumn(round.taskSignature),
        picked: [...round.picked],
        deadlineAt: new Date(round.deadlineAtMs),
      },
      skipDuplicates: true,
    });
    return count === 1;
  }

  async round(roundId: string): Promise<RegionRoundRow | undefined> {
    const row = await clientOf(this.#session).regionRound.findUnique({
      where: { region_roundId: { region: this.#region, roundId } },
    });
    return row === null ? undefined : toRound(row);
  }

  /**
   * Locks a round until the transaction ends and returns it. Whoever records an update or a decline, or reports, does this first:
   * then no update slips in between the sum and the report.
   */
  async lockRound(roundId: string): Promise<RegionRoundRow | undefined> {
    await clientOf(this.#session)
      .$queryRaw`SELECT 1 FROM region.round WHERE region = ${this.#region} AND round_id = ${roundId} FOR UPDATE`;
    return this.round(roundId);
  }

  /** Rounds not yet reported, by deadline: what to take up again after a start. */
  async collecting(): Promise<RegionRoundRow[]> {
    const rows = await clientOf(this.#session).regionRound.findMany({
      where: { region: this.#region, status: 'collecting' },
      orderBy: { deadlineAt: 'asc' },
    });
    return rows.map(toRound);
  }

  async findUpdate(key: UpdateKey): Promise<RegionUpdateRow | undefined> {
    const { roundId, holder, attempt, updateDigest } = key;
    const row = await clientOf(this.#session).regionUpdate.findUnique({
      where: {
        region_roundId_holder_attempt_updateDigest: { region: this.#region, roundId, holder, attempt, updateDigest },
      },
    });
    return row === null ? undefined : toUpdate(row);
  }

  /** The accepted update of a holder in a round, if any. */
  async acceptedUpdate(roundId: string, holder: string): Promise<RegionUpdateRow | undefined> {
    const row = await clientOf(this.#session).regionUpdate.findFirst({
      where: { region: this.#region, roundId, holder, verdict: 'accepted' },
    });
    return row === null ? undefined : toUpdate(row);
  }

  /** Stores an update with its verdict and receipt. False when this key has a verdict, or the holder an accepted update in this round. */
  async recordUpdate(update: RegionUpdateRow): Promise<boolean> {
    const { payload, receipt, receiptSignature, receivedAtMs, reason, ...columns } = update;
    const { count } = await clientOf(this.#session).regionUpdate.createMany({
      data: {
        ...columns,
        region: this.#region,
        reason: reason ?? null,
        payload: toColumn(payload),
        receipt: toColumn(receipt),
        receiptSignature: toColumn(receiptSignature),
        receivedAt: new Date(receivedAtMs),
      },
      skipDuplicates: true,
    });
    return count === 1;
  }

  /** All updates of a round, of every verdict, in order of holder, attempt, digest. */
  async updates(roundId: string): Promise<RegionUpdateRow[]> {
    const rows = await clientOf(this.#session).regionUpdate.findMany({
      where: { region: this.#region, roundId },
      orderBy: [{ holder: 'asc' }, { attempt: 'asc' }, { updateDigest: 'asc' }],
    });
    return rows.map(toUpdate);
  }

  /** False when the holder has declined before. */
  async recordDecline({ roundId, holder, decline, signature, receivedAtMs }: DeclinedRow): Promise<boolean> {
    const { count } = await clientOf(this.#session).regionDeclined.createMany({
      data: {
        region: this.#region,
        roundId,
        holder,
        decline: toColumn(decline),
        signature: toColumn(signature),
        receivedAt: new Date(receivedAtMs),
      },
      skipDuplicates: true,
    });
    return count === 1;
  }

  /** In order of holder. */
  async declines(roundId: string): Promise<DeclinedRow[]> {
    const rows = await clientOf(this.#session).regionDeclined.findMany({
      where: { region: this.#region, roundId },
      orderBy: { holder: 'asc' },
    });
    return rows.map(({ receivedAt, holder, decline, signature }) => ({
      roundId,
      holder,
      decline,
      signature,
      receivedAtMs: receivedAt.getTime(),
    }));
  }

  /** Who has answered, without the payloads: holders with an accepted update or a decline. */
  async answered(roundId: string): Promise<Set<string>> {
    const client = clientOf(this.#session);
    const where = { region: this.#region, roundId };
    const accepted = await client.regionUpdate.findMany({
      where: { ...where, verdict: 'accepted' },
      select: { holder: true },
    });
    const declined = await client.regionDeclined.findMany({ where, select: { holder: true } });
    return new Set([...accepted, ...declined].map(({ holder }) => holder));
  }

  /** Stores the signed report of a round. False when it was reported before; the first one stands. */
  async report(roundId: string, report: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const { count } = await clientOf(this.#session).regionRound.updateMany({
      where: { region: this.#region, roundId, status: 'collecting' },
      data: { status: 'reported', report: toColumn(report), reportSignature: toColumn(signature) },
    });
    return count === 1;
  }
}

function toRound(row: RegionRound): RegionRoundRow {
  const { region, roundId, planHash, task, taskSignature, picked, deadlineAt, report, reportSignature } = row;
  return {
    region,
    roundId,
    planHash,
    task,
    taskSignature,
    picked,
    deadlineAtMs: deadlineAt.getTime(),
    // A check constraint allows no other.
    status: row.status as RegionRoundRow['status'],
    report: report ?? undefined,
    reportSignature: reportSignature ?? undefined,
  };
}

function toUpdate(row: RegionUpdate): RegionUpdateRow {
  const { roundId, holder, attempt, updateDigest, payload, reason, receipt, receiptSignature, receivedAt } = row;
  return {
    roundId,
    holder,
    attempt,
    updateDigest,
    payload,
    // A check constraint allows no other.
    verdict: row.verdict as Verdict,
    reason: reason ?? undefined,
    receipt,
    receiptSignature,
    receivedAtMs: receivedAt.getTime(),
  };
}
