import type { Verdict } from '@fedcarbon/contracts';
import {
  type Database,
  type DeclinedRow,
  type NewOutboxMessage,
  type NewRegionRound,
  type OutboxOwner,
  OutboxRepository,
  RegionRepository,
  type RegionRoundRow,
  type RegionUpdateRow,
  type SqlRow,
  type SqlSession,
  type SqlValue,
} from '@fedcarbon/persistence';

/** A round as it is stored, read under its lock. */
export interface Situation {
  readonly round: RegionRoundRow;
  /** Of every verdict. */
  readonly updates: readonly RegionUpdateRow[];
  readonly declines: readonly DeclinedRow[];
}

/** What to add to a round. */
export interface Settlement {
  readonly updates: readonly RegionUpdateRow[];
  readonly declines: readonly DeclinedRow[];
  /** The signed report, when it is time for it; at most one a round. */
  readonly report?: { readonly payload: Uint8Array; readonly signature: Uint8Array } | undefined;
  /** For the outbox. */
  readonly messages: readonly NewOutboxMessage[];
}

export interface RegionStore {
  round(roundId: string): Promise<RegionRoundRow | undefined>;
  /** Rounds not yet reported, by deadline. */
  collecting(): Promise<RegionRoundRow[]>;
  /** Holders with an accepted update or a decline. */
  answered(roundId: string): Promise<Set<string>>;
  /** Stores a round and puts its tasks into the outbox. False, and nothing changed, when it is there already. */
  openRound(round: NewRegionRound, tasks: readonly Pick<NewOutboxMessage, 'subject' | 'messageId'>[]): Promise<boolean>;
  /**
   * Changes a round in one READ COMMITTED transaction, in which its row stays locked. `decide` must not wait for anything.
   * Undefined when there is no such round; nothing is decided then.
   */
  settle<S extends Settlement>(roundId: string, decide: (situation: Situation) => S): Promise<S | undefined>;
  /** Puts a message that may have been published before back in the queue. */
  enqueueAgain(message: NewOutboxMessage): Promise<void>;
}

interface RoundColumns extends SqlRow {
  readonly plan_hash: string;
  readonly task: Uint8Array;
  readonly task_signature: Uint8Array;
  readonly picked: string[];
  readonly deadline_at: Date;
  readonly status: RegionRoundRow['status'];
}
interface UpdateColumns extends SqlRow {
  readonly holder: string;
  readonly attempt: number;
  readonly update_digest: string;
  readonly payload: Uint8Array;
  readonly verdict: Verdict;
  readonly reason: string | null;
  readonly receipt: Uint8Array;
  readonly receipt_signature: Uint8Array;
  readonly received_at: Date;
}
interface DeclineColumns extends SqlRow {
  readonly holder: string;
  readonly decline: Uint8Array;
  readonly signature: Uint8Array;
  readonly received_at: Date;
}

const OF_ROUND = 'region = $1 AND round_id = $2';
// One statement, so one round trip and one flush. The tasks carry the round's own signed bytes.
const OPEN = `WITH opened AS (
    INSERT INTO region.round (region, round_id, plan_hash, task, task_signature, picked, deadline_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING 1)
  INSERT INTO outbox.message (owner, subject, message_id, payload, signature)
  SELECT $8, task.subject, task.message_id, $4, $5 FROM opened, unnest($9::text[], $10::text[]) AS task (subject, message_id)
  ON CONFLICT DO NOTHING RETURNING id`;
const LOCK = `SELECT plan_hash, task, task_signature, picked, deadline_at, status FROM region.round WHERE ${OF_ROUND} FOR UPDATE`;
const UPDATES = `SELECT holder, attempt, update_digest, payload, verdict, reason, receipt, receipt_signature, received_at
  FROM region.update WHERE ${OF_ROUND} ORDER BY holder, attempt, update_digest`;
const DECLINES = `SELECT holder, decline, signature, received_at FROM region.declined WHERE ${OF_ROUND} ORDER BY holder`;
const ADD_UPDATES = `INSERT INTO region.update
    (region, round_id, holder, attempt, update_digest, payload, verdict, reason, receipt, receipt_signature, received_at)
  SELECT $1, $2, * FROM unnest($3::text[], $4::int[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::bytea[], $10::bytea[],
    $11::timestamptz[])`;
const ADD_DECLINE = `INSERT INTO region.declined (region, round_id, holder, decline, signature, received_at) VALUES ($1, $2, $3, $4, $5, $6)`;
const REPORT = `UPDATE region.round SET status = 'reported', report = $3, report_signature = $4 WHERE ${OF_ROUND}`;

/**
 * One region's record in Postgres. What happens with every message speaks to the pg driver itself and sends statements that do not depend on each other's
 * answers together: through Prisma's interactive transactions this was most of what a round costs.
 */
export function storeOf(database: Database, region: string, beforeCommit: () => void = () => undefined): RegionStore {
  const owner: OutboxOwner = `region:${region}`;
  const rounds = new RegionRepository(database.session, region);
  const outbox = new OutboxRepository(database.sql, owner);
  return {
    round: (roundId) => rounds.round(roundId),
    collecting: () => rounds.collecting(),
    answered: (roundId) => rounds.answered(roundId),
    enqueueAgain: (message) => outbox.enqueueAgain(message),
    async openRound({ roundId, planHash, task, taskSignature, picked, deadlineAtMs }, tasks) {
      const rows = await database.sql.query(
        OPEN,
        [
          ...[region, roundId, planHash, task, taskSignature, picked, new Date(deadlineAtMs), owner],
          tasks.map(({ subject }) => subject),
          tasks.map(({ messageId }) => messageId),
        ],
        'open-round',
      );
      return rows.length > 0;
    },
    settle: (roundId, decide) =>
      database.sql.transaction(async (session) => {
        const situation = await lockedSituation(session, region, roundId);
        if (situation === undefined) return undefined;
        const settlement = decide(situation);
        await add(session, { region, owner, roundId }, settlement);
        beforeCommit();
        return settlement;
      }),
  };
}

async function lockedSituation(session: SqlSession, region: string, roundId: string): Promise<Situation | undefined> {
  const key = [region, roundId];
  // Each statement sees what was committed when it began, so those after the lock see all that earlier holders of the lock did.
  const [[row], updates, declines] = await Promise.all([
    session.query<RoundColumns>(LOCK, key, 'lock-round'),
    session.query<UpdateColumns>(UPDATES, key, 'updates'),
    session.query<DeclineColumns>(DECLINES, key, 'declines'),
  ]);
  if (row === undefined) return undefined;
  return {
    round: {
      region,
      roundId,
      planHash: row.plan_hash,
      task: row.task,
      taskSignature: row.task_signature,
      picked: row.picked,
      deadlineAtMs: row.deadline_at.getTime(),
      status: row.status,
    },
    updates: updates.map(({ holder, attempt, payload, verdict, reason, receipt, ...columns }) => ({
      ...{ roundId, holder, attempt, payload, verdict, receipt },
      updateDigest: columns.update_digest,
      reason: reason ?? undefined,
      receiptSignature: columns.receipt_signature,
      receivedAtMs: columns.received_at.getTime(),
    })),
    declines: declines.map(({ holder, decline, signature, received_at }) => ({
      ...{ roundId, holder, decline, signature },
      receivedAtMs: received_at.getTime(),
    })),
  };
}

async function add(
  session: SqlSession,
  { region, owner, roundId }: { readonly region: string; readonly owner: OutboxOwner; readonly roundId: string },
  { updates, declines, report, messages }: Settlement,
): Promise<void> {
  const key = [region, roundId];
  await Promise.all([
    ...(updates.length === 0 ? [] : [session.query(ADD_UPDATES, [...key, ...columnsOf(updates)], 'add-updates')]),
    ...declines.map(({ holder, decline, signature, receivedAtMs }) =>
      session.query(ADD_DECLINE, [...key, holder, decline, signature, new Date(receivedAtMs)], 'add-decline'),
    ),
    ...(report === undefined ? [] : [session.query(REPORT, [...key, report.payload, report.signature], 'report')]),
    new OutboxRepository(session, owner).enqueue(...messages),
  ]);
}

function columnsOf(updates: readonly RegionUpdateRow[]): SqlValue[] {
  return [
    updates.map(({ holder }) => holder),
    updates.map(({ attempt }) => attempt),
    updates.map(({ updateDigest }) => updateDigest),
    updates.map(({ payload }) => payload),
    updates.map(({ verdict }) => verdict),
    updates.map(({ reason }) => reason ?? null),
    updates.map(({ receipt }) => receipt),
    updates.map(({ receiptSignature }) => receiptSignature),
    updates.map(({ receivedAtMs }) => new Date(receivedAtMs)),
  ];
}
