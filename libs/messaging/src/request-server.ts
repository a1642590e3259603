import type { SignedBytes } from '@fedcarbon/contracts';
import { describeError, InvalidInputError, utf8 } from '@fedcarbon/kernel';
import type { Msg, Subscription } from '@nats-io/nats-core';
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { BrokerConnection } from './connection.ts';
import { runHandler, settleWithin } from './handlers.ts';
import type { MessagingLogger } from './logger.ts';
import { signedBytesOf } from './signed-message.ts';

/** Transport of handlers that answer requests: `@MessagePattern(PATTERNS.accountant('reserve'), REQUEST_REPLY)`. */
export const REQUEST_REPLY = Symbol('request-reply');

/** One request, as a handler gets it: `onReserve(@Payload() request: SignedRequest)`. */
export interface SignedRequest extends SignedBytes {
  readonly owner: string;
  /** The subject it came on; whose name stands in it was checked by the broker. */
  readonly subject: string;
}

export interface RequestServerOptions {
  readonly connection: BrokerConnection;
  /** Name of the service; several processes of one name share the requests. */
  readonly owner: string;
  readonly logger: MessagingLogger;
  /** How long `close` waits for handlers that are running. Default 10 s. */
  readonly closeLimitMs?: number;
}

/**
 * Answers signed requests. What a handler returns is sent as JSON; one that throws InvalidInputError answers
 * `{ kind: 'error', code, message }`, and any other error answers the code `internal` without details. Nothing is stored: whoever gets no answer asks again.
 */
export class RequestServer extends Server implements CustomTransportStrategy {
  override readonly transportId = REQUEST_REPLY;
  readonly #options: RequestServerOptions;
  readonly #subscriptions: Subscription[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor(options: RequestServerOptions) {
    super();
    this.#options = options;
  }

  override listen(callback: (error?: unknown) => void): void {
    const { connection, owner, logger } = this.#options;
    for (const [pattern, handler] of this.messageHandlers) {
      const subscription = connection.subscribe(pattern, {
        queue: owner,
        callback: (error, message) => {
          if (error !== null) {
            logger.error({ owner, pattern, reason: describeError(error) }, 'cannot listen for requests');
            return;
          }
          const answered = this.#answer(handler, message).finally(() => this.#running.delete(answered));
          this.#running.add(answered);
        },
      });
      this.#subscriptions.push(subscription);
    }
    // Ready means that the broker knows it.
    connection.flush().then(() => {
      callback();
    }, callback);
  }

  /** Takes no more requests and lets running handlers answer, within the limit. The connection stays open: its owner closes it. */
  override async close(): Promise<void> {
    const { connection, owner, logger, closeLimitMs = 10_000 } = this.#options;
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    if (!(await settleWithin(this.#running, closeLimitMs))) {
      logger.warn(
        { owner, running: this.#running.size },
        'requests were still unanswered when the time to stop was up',
      );
    }
    if (!connection.isClosed()) await settleWithin([connection.flush()], 1000);
  }

  override on(): never {
    throw new Error('RequestServer emits no events: watch the connection');
  }

  override unwrap<T>(): T {
    return this.#options.connection as T;
  }

  async #answer(handler: Parameters<typeof runHandler>[0], message: Msg): Promise<void> {
    const { owner, logger } = this.#options;
    const request: SignedRequest = { owner, subject: message.subject, ...signedBytesOf(message.data) };
    let reply: unknown;
    try {
      reply = await runHandler(handler, request);
    } catch (error) {
      if (error instanceof InvalidInputError) {
        logger.warn({ owner, subject: message.subject, code: error.code, reason: error.message }, 'request refused');
        reply = { kind: 'error', code: error.code, message: error.message };
      } else {
        logger.error({ owner, subject: message.subject, err: error }, 'request failed');
        reply = { kind: 'error', code: 'internal', message: 'the service failed; ask again' };
      }
    }
    message.respond(utf8(JSON.stringify(reply)));
  }
}
