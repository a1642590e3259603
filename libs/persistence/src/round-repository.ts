import type { MechanismEvent, Purpose } from '@fedcarbon/contracts';
import type { SqlRow, SqlSession } from './sql-pool.ts';

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

interface RoundColumns extends SqlRow {
  readonly round_id: string;
  readonly plan_hash: string;
  readonly index: number;
  readonly purpose: Purpose;
  readonly seed: string;
  readonly sigma_squared: number;
  readonly sensitivity_squared: number;
  readonly steps: number;
  readonly bits: number;
  readonly length: number;
  readonly opened_at: Date;
  readonly regional_deadline_at: Date;
  readonly deadline_at: Date;
  readonly status: RoundRow['status'];
  readonly reason: string | null;
  readonly closed_at: Date | null;
  readonly participants: number | null;
  readonly aggregate: Uint8Array | null;
  readonly bytes_up: bigint | string | null;
  readonly bytes_down: bigint | string | null;
}
interface ReportColumns extends SqlRow {
  readonly region: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly received_at: Date;
}

const OPEN = `INSERT INTO rounds.round (round_id, plan_hash, index, purpose, seed, sigma_squared, sensitivity_squared, steps, bits, length,
    opened_at, regional_deadline_at, deadline_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING RETURNING 1`;
const FIND = 'SELECT * FROM rounds.round WHERE round_id = $1';
const CURRENT = "SELECT * FROM rounds.round WHERE plan_hash = $1 AND status = 'open'";
const LIST = 'SELECT * FROM rounds.round WHERE plan_hash = $1 ORDER BY index';
const LOCK_OPEN = "SELECT 1 FROM rounds.round WHERE round_id = $1 AND status = 'open' FOR UPDATE";
const ADD_REPORT = `INSERT INTO rounds.regional_report (round_id, region, payload, signature, received_at)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1`;
const COUNT_REPORTS = 'SELECT count(*)::int FROM rounds.regional_report WHERE round_id = $1';
const REPORTS =
  'SELECT region, payload, signature, received_at FROM rounds.regional_report WHERE round_id = $1 ORDER BY region';
const CLOSE = `UPDATE rounds.round SET status = $2, reason = $3, closed_at = $4, participants = $5, aggregate = $6, bytes_up = $7, bytes_down = $8
  WHERE round_id = $1 AND status = 'open' RETURNING 1`;
const ACCEPT = `INSERT INTO rounds.accepted_update (round_id, holder, attempt, update_digest, region)
  SELECT $1, * FROM unnest($2::text[], $3::int[], $4::text[], $5::text[])`;

/** Rounds, regional reports and accepted updates. Written by global-aggregator. */
export class RoundRepository {
  readonly #sql: SqlSession;

  constructor(sql: SqlSession) {
    this.#sql = sql;
  }

  /** Opens a round. False when a round of this id or index exists, or another one of the plan is open. */
  async open(round: NewRound): Promise<boolean> {
    const { roundId, planHash, index, purpose, seed, event, bits, length } = round;
    const { sigmaSquared, sensitivitySquared, steps } = event;
    const times = [round.openedAtMs, round.regionalDeadlineAtMs, round.deadlineAtMs].map((ms) => new Date(ms));
    const rows = await this.#sql.query(
      OPEN,
      [roundId, planHash, index, purpose, seed, sigmaSquared, sensitivitySquared, steps, bits, length, ...times],
      'open-round',
    );
    return rows.length === 1;
  }

  async find(roundId: string): Promise<RoundRow | undefined> {
    const [row] = await this.#sql.query<RoundColumns>(FIND, [roundId], 'find-round');
    return row && toRound(row);
  }

  /** The round of the plan that is open, if any. */
  async current(planHash: string): Promise<RoundRow | undefined> {
    const [row] = await this.#sql.query<RoundColumns>(CURRENT, [planHash], 'current-round');
    return row && toRound(row);
  }

  /** Locks a round until the transaction ends; true when it is still open. Whoever adds a report or closes does this first. */
  async lockOpen(roundId: string): Promise<boolean> {
    return (await this.#sql.query(LOCK_OPEN, [roundId], 'lock-round')).length === 1;
  }

  /** All rounds of a plan in order of index, with their aggregates: what the learner's state is replayed from. */
  async list(planHash: string): Promise<RoundRow[]> {
    return (await this.#sql.query<RoundColumns>(LIST, [planHash], 'rounds')).map(toRound);
  }

  /** Stores a region's report. False when there is one from that region. */
  async addReport({ roundId, region, payload, signature, receivedAtMs }: RegionalReportRow): Promise<boolean> {
    const values = [roundId, region, payload, signature, new Date(receivedAtMs)];
    return (await this.#sql.query(ADD_REPORT, values, 'add-report')).length === 1;
  }

  /** How many regions have reported. */
  async countReports(roundId: string): Promise<number> {
    const [row] = await this.#sql.query<{ count: number }>(COUNT_REPORTS, [roundId], 'count-reports');
    return row?.count ?? 0;
  }

  /** In order of region. */
  async reports(roundId: string): Promise<RegionalReportRow[]> {
    const rows = await this.#sql.query<ReportColumns>(REPORTS, [roundId], 'reports');
    return rows.map(({ region, payload, signature, received_at }) => ({
      ...{ roundId, region },
      payload: new Uint8Array(payload),
      signature: new Uint8Array(signature),
      receivedAtMs: received_at.getTime(),
    }));
  }

  /** Closes an open round for good. False when it was not open; nothing changes then. Use a transaction. */
  async close(roundId: string, closing: RoundClosing): Promise<boolean> {
    const { status, reason, closedAtMs, participants, aggregate, bytesUp, bytesDown, accepted } = closing;
    const closed = await this.#sql.query(
      CLOSE,
      [roundId, status, reason ?? null, new Date(closedAtMs), participants, aggregate ?? null, bytesUp, bytesDown],
      'close-round',
    );
    if (closed.length === 0) return false;
    await this.#sql.query(
      ACCEPT,
      [
        roundId,
        accepted.map(({ holder }) => holder),
        accepted.map(({ attempt }) => attempt),
        accepted.map(({ updateDigest }) => updateDigest),
        accepted.map(({ region }) => region),
      ],
      'accept-updates',
    );
    return true;
  }
}

function toRound(row: RoundColumns): RoundRow {
  return {
    roundId: row.round_id,
    planHash: row.plan_hash,
    ...{ index: row.index, purpose: row.purpose, status: row.status, seed: row.seed },
    event: {
      kind: 'discreteGaussian',
      sigmaSquared: row.sigma_squared,
      sensitivitySquared: row.sensitivity_squared,
      steps: row.steps,
    },
    ...{ bits: row.bits, length: row.length },
    openedAtMs: row.opened_at.getTime(),
    regionalDeadlineAtMs: row.regional_deadline_at.getTime(),
    deadlineAtMs: row.deadline_at.getTime(),
    reason: row.reason ?? undefined,
    closedAtMs: row.closed_at?.getTime(),
    participants: row.participants ?? undefined,
    aggregate: row.aggregate === null ? undefined : new Uint8Array(row.aggregate),
    bytesUp: row.bytes_up === null ? undefined : Number(row.bytes_up),
    bytesDown: row.bytes_down === null ? undefined : Number(row.bytes_down),
  };
}
