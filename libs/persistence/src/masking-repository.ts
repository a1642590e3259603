import { type NewOutboxMessage, OutboxRepository } from './outbox-repository.ts';
import type { PlanRow } from './plan-repository.ts';
import type { SqlSession } from './sql-pool.ts';

/** Something that the coordinator of the secure sum has been told or has decided. */
export interface MaskingFactRow {
  readonly fact: Uint8Array;
  /** Of the messages that brought it, and that it sent out. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly appendedAtMs: number;
}

const LOCK = 'SELECT status, started_at FROM federation.plan WHERE plan_hash = $1 FOR NO KEY UPDATE';
const FROM = `SELECT fact, bytes_up, bytes_down, appended_at FROM rounds.masking_fact
  WHERE plan_hash = $1 AND seq >= $2 ORDER BY seq`;
const APPEND = `INSERT INTO rounds.masking_fact (plan_hash, seq, fact, bytes_up, bytes_down, appended_at)
  SELECT $1, $2 + place - 1, fact, bytes_up, bytes_down, appended_at
  FROM unnest($3::bytea[], $4::bigint[], $5::bigint[], $6::timestamptz[])
    WITH ORDINALITY AS added (fact, bytes_up, bytes_down, appended_at, place)`;

/** The facts of the secure sum's coordinator, in order, and what it sends. Written by global-aggregator. */
export class MaskingRepository {
  readonly #sql: SqlSession;
  readonly #planHash: string;
  readonly #outbox: OutboxRepository;

  constructor(sql: SqlSession, planHash: string) {
    this.#sql = sql;
    this.#planHash = planHash;
    this.#outbox = new OutboxRepository(sql, 'global');
  }

  /** Locks the plan until the transaction ends, and says how it stands then. Whoever adds facts does this first. */
  async lockPlan(): Promise<Pick<PlanRow, 'status' | 'startedAtMs'> | undefined> {
    const [row] = await this.#sql.query<{ status: PlanRow['status']; started_at: Date | null }>(
      LOCK,
      [this.#planHash],
      'lock-plan',
    );
    return row && { status: row.status, startedAtMs: row.started_at?.getTime() };
  }

  /** Facts from place `from` on, counted from 0. */
  async from(from: number): Promise<MaskingFactRow[]> {
    const rows = await this.#sql.query<{ fact: Uint8Array; bytes_up: bigint; bytes_down: bigint; appended_at: Date }>(
      FROM,
      [this.#planHash, from],
      'masking-facts',
    );
    return rows.map(({ fact, bytes_up, bytes_down, appended_at }) => ({
      fact: new Uint8Array(fact),
      bytesUp: Number(bytes_up),
      bytesDown: Number(bytes_down),
      appendedAtMs: appended_at.getTime(),
    }));
  }

  /** Adds facts behind the first `from`, which the caller has seen all of: it holds the plan's lock. */
  async append(from: number, facts: readonly MaskingFactRow[]): Promise<void> {
    if (facts.length === 0) return;
    await this.#sql.query(
      APPEND,
      [
        ...[this.#planHash, from],
        facts.map(({ fact }) => fact),
        facts.map(({ bytesUp }) => bytesUp),
        facts.map(({ bytesDown }) => bytesDown),
        facts.map(({ appendedAtMs }) => new Date(appendedAtMs)),
      ],
      'append-masking-facts',
    );
  }

  /** Leaves messages of the global tier to be published. */
  async enqueue(messages: readonly NewOutboxMessage[]): Promise<void> {
    await this.#outbox.enqueue(...messages);
  }
}
