import type { SqlRow, SqlSession } from './sql-pool.ts';

/** Whose messages: a service sees no others. */
export type OutboxOwner = 'global' | `region:${string}`;

export interface NewOutboxMessage {
  readonly subject: string;
  /** `Nats-Msg-Id`; unique for the owner, so that enqueueing again changes nothing. */
  readonly messageId: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}
export interface OutboxMessage extends NewOutboxMessage {
  readonly id: bigint;
}

interface MessageColumns extends SqlRow {
  readonly id: bigint | string;
  readonly subject: string;
  readonly message_id: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

const ENQUEUE = `INSERT INTO outbox.message (owner, subject, message_id, payload, signature)
  SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) ON CONFLICT (owner, message_id) DO NOTHING`;
const AGAIN = 'UPDATE outbox.message SET published_at = NULL WHERE owner = $1 AND message_id = $2';
const PENDING = `SELECT id, subject, message_id, payload, signature FROM outbox.message
  WHERE owner = $1 AND published_at IS NULL ORDER BY id LIMIT $2`;
const PUBLISHED = 'UPDATE outbox.message SET published_at = now() WHERE owner = $1 AND id = ANY($2::bigint[])';

/** Messages that are written in the transaction of the fact they announce, and published after its commit. Fits `OutboxSource` of @fedcarbon/messaging. */
export class OutboxRepository {
  readonly #sql: SqlSession;
  readonly #owner: OutboxOwner;

  constructor(sql: SqlSession, owner: OutboxOwner) {
    this.#sql = sql;
    this.#owner = owner;
  }

  async enqueue(...messages: readonly NewOutboxMessage[]): Promise<void> {
    if (messages.length === 0) return;
    await this.#sql.query(
      ENQUEUE,
      [
        this.#owner,
        messages.map(({ subject }) => subject),
        messages.map(({ messageId }) => messageId),
        messages.map(({ payload }) => payload),
        messages.map(({ signature }) => signature),
      ],
      'enqueue',
    );
  }

  /** Puts a message that may have been published before back in the queue, such as the receipt for a repeated update; enqueues it when it is new. */
  async enqueueAgain(message: NewOutboxMessage): Promise<void> {
    await this.enqueue(message);
    await this.#sql.query(AGAIN, [this.#owner, message.messageId]);
  }

  /** Oldest unpublished messages. */
  async pending(limit: number): Promise<OutboxMessage[]> {
    const rows = await this.#sql.query<MessageColumns>(PENDING, [this.#owner, limit], 'pending');
    return rows.map(({ id, subject, message_id, payload, signature }) => ({
      id: BigInt(id),
      subject,
      messageId: message_id,
      payload: new Uint8Array(payload),
      signature: new Uint8Array(signature),
    }));
  }

  async markPublished(ids: readonly bigint[]): Promise<void> {
    await this.#sql.query(PUBLISHED, [this.#owner, ids.map(String)], 'published');
  }
}
