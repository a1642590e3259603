import type { MechanismEvent, Purpose } from '@fedcarbon/contracts';
import type { Round } from './generated/client.ts';
import { clientOf, type Session, toColumn } from './session.ts';

export interface NewRound {
  readonly roundId: string;
  readonly planHash: string;
  readonly index: number;
  readonly purpose: Purpose;
  readonly seed: string;
  readonly event: MechanismEvent;
  readonly bits: number;
  readonly length: number;
  readonly openedAtMs: number;
  readonly regionalDeadlineAtMs: number;
  readonly deadlineAtMs: number;
}
export interface RoundClosing {
  readonly status: 'released' | 'abandoned';
  readonly reason?: string | undefined;
  readonly closedAtMs: number;
  readonly participants: number;
  /** Packed modular sum; exactly for a released round. */
  readonly aggregate?: Uint8Array | undefined;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly accepted: readonly AcceptedUpdateRow[];
}
export interface RoundRow extends NewRound {
  readonly status: 'open' | 'released' | 'abandoned';
  readonly reason?: string | undefined;
  readonly closedAtMs?: number | undefined;
  readonly participants?: number | undefined;
  readonly aggregate?: Uint8Array | undefined;
  readonly bytesUp?: number | undefined;
  readonly bytesDown?: number | undefined;
}
export interface AcceptedUpdateRow {
  readonly holder: string;
  readonly attempt: number;
  readonly updateDigest: string;
  readonly region: string;
}
export interface RegionalReportRow {
  readonly roundId: string;
  readonly region: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly receivedAtMs: number;
}

/** Rounds, regional reports and accepted updates. Written by global-aggregator. */
export class RoundRepository {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Opens a round. False when a round of this id or index exists, or another one of the plan is open. */
  async open(round: NewRound): Promise<boolean> {
    const { event, openedAtMs, regionalDeadlineAtMs, deadlineAtMs, ...columns } = round;
    const { count } = await clientOf(this.#session).round.createMany({
      data: {
        ...columns,
        sigmaSquared: event.sigmaSquared,
        sensitivitySquared: event.sensitivitySquared,
        steps: event.steps,
        openedAt: new Date(openedAtMs),
        regionalDeadlineAt: new Date(regionalDeadlineAtMs),
        deadlineAt: new Date(deadlineAtMs),
      },
      skipDuplicates: true,
    });
    return count === 1;
  }

  async find(roundId: string): Promise<RoundRow | undefined> {
    const row = await clientOf(this.#session).round.findUnique({ where: { roundId } });
    return row === null ? undefined : toRound(row);
  }

  /** The round of the plan that is open, if any. */
  async current(planHash: string): Promise<RoundRow | undefined> {
    const row = await clientOf(this.#session).round.findFirst({ where: { planHash, status: 'open' } });
    return row === null ? undefined : toRound(row);
  }

  /** Locks a round until the transaction ends; true when it is still open. Whoever adds a report or closes does this first. */
  async lockOpen(roundId: string): Promise<boolean> {
    const rows = await clientOf(this.#session).$queryRaw<
      unknown[]
    >`SELECT 1 FROM rounds.round WHERE round_id = ${roundId} AND status = 'open' FOR UPDATE`;
    return rows.length === 1;
  }

  /** All rounds of a plan in order of index, with their aggregates: what the learner's state is replayed from. */
  async list(planHash: string): Promise<RoundRow[]> {
    const rows = await clientOf(this.#session).round.findMany({ where: { planHash }, orderBy: { index: 'asc' } });
    return rows.map(toRound);
  }

  /** Stores a region's report. False when there is one from that region. */
  async addReport(report: RegionalReportRow): Promise<boolean> {
    const { count } = await clientOf(this.#session).regionalReport.createMany({
      data: {
        roundId: report.roundId,
        region: report.region,
        payload: toColumn(report.payload),
        signature: toColumn(report.signature),
        receivedAt: new Date(report.receivedAtMs),
      },
      skipDuplicates: true,
    });
    return count === 1;
  }

  /** How many regions have reported. */
  async countReports(roundId: string): Promise<number> {
    const [row] = await clientOf(this.#session).$queryRaw<
      { count: number }[]
    >`SELECT count(*)::int FROM rounds.regional_report WHERE round_id = ${roundId}`;
    return row?.count ?? 0;
  }

  /** In order of region. */
  async reports(roundId: string): Promise<RegionalReportRow[]> {
    const rows = await clientOf(this.#session).regionalReport.findMany({
      where: { roundId },
      orderBy: { region: 'asc' },
    });
    return rows.map(({ receivedAt, ...row }) => ({ ...row, receivedAtMs: receivedAt.getTime() }));
  }

  /** Closes an open round for good. False when it was not open; nothing changes then. Use a transaction. */
  async close(roundId: string, closing: RoundClosing): Promise<boolean> {
    const client = clientOf(this.#session);
    const { count } = await client.round.updateMany({
      where: { roundId, status: 'open' },
      data: {
        status: closing.status,
        reason: closing.reason ?? null,
        closedAt: new Date(closing.closedAtMs),
        participants: closing.participants,
        aggregate: closing.aggregate === undefined ? null : toColumn(closing.aggregate),
        bytesUp: closing.bytesUp,
        bytesDown: closing.bytesDown,
      },
    });
    if (count === 0) return false;
    await client.acceptedUpdate.createMany({ data: closing.accepted.map((update) => ({ ...update, roundId })) });
    return true;
  }
}

function toRound(row: Round): RoundRow {
  return {
    roundId: row.roundId,
    planHash: row.planHash,
    index: row.index,
    // Check constraints allow no other purpose and status.
    purpose: row.purpose as Purpose,
    status: row.status as RoundRow['status'],
    seed: row.seed,
    event: {
      kind: 'discreteGaussian',
      sigmaSquared: row.sigmaSquared,
      sensitivitySquared: row.sensitivitySquared,
      steps: row.steps,
    },
    bits: row.bits,
    length: row.length,
    openedAtMs: row.openedAt.getTime(),
    regionalDeadlineAtMs: row.regionalDeadlineAt.getTime(),
    deadlineAtMs: row.deadlineAt.getTime(),
    reason: row.reason ?? undefined,
    closedAtMs: row.closedAt?.getTime(),
    participants: row.participants ?? undefined,
    aggregate: row.aggregate ?? undefined,
    bytesUp: row.bytesUp === null ? undefined : Number(row.bytesUp),
    bytesDown: row.bytesDown === null ? undefined : Number(row.bytesDown),
  };
}
