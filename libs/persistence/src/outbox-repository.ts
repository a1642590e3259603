import { clientOf, type Session, toColumn } from './session.ts';

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

/** Messages that are written in the transaction of the fact they announce, and published after its commit. Fits `OutboxSource` of @fedcarbon/messaging. */
export class OutboxRepository {
  readonly #session: Session;
  readonly #owner: OutboxOwner;

  constructor(session: Session, owner: OutboxOwner) {
    this.#session = session;
    this.#owner = owner;
  }

  async enqueue(...messages: readonly NewOutboxMessage[]): Promise<void> {
    await clientOf(this.#session).outboxMessage.createMany({
      data: messages.map(({ subject, messageId, payload, signature }) => ({
        owner: this.#owner,
        subject,
        messageId,
        payload: toColumn(payload),
        signature: toColumn(signature),
      })),
      skipDuplicates: true,
    });
  }

  /** Puts a message that may have been published before back in the queue, such as the receipt for a repeated update; enqueues it when it is new. */
  async enqueueAgain(message: NewOutboxMessage): Promise<void> {
    await this.enqueue(message);
    await clientOf(this.#session).outboxMessage.updateMany({
      where: { owner: this.#owner, messageId: message.messageId },
      data: { publishedAt: null },
    });
  }

  /** Oldest unpublished messages. */
  async pending(limit: number): Promise<OutboxMessage[]> {
    const rows = await clientOf(this.#session).outboxMessage.findMany({
      where: { owner: this.#owner, publishedAt: null },
      orderBy: { id: 'asc' },
      take: limit,
    });
    return rows.map(({ id, subject, messageId, payload, signature }) => ({
      id,
      subject,
      messageId,
      payload,
      signature,
    }));
  }

  async markPublished(ids: readonly bigint[]): Promise<void> {
    await clientOf(this.#session).outboxMessage.updateMany({
      where: { owner: this.#owner, id: { in: [...ids] } },
      data: { publishedAt: new Date() },
    });
  }
}
