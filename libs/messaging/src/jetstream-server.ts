import type { ConsumerSpec, SignedBytes } from '@fedcarbon/contracts';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import { type ConsumerMessages, type JsMsg, jetstream } from '@nats-io/jetstream';
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import { setTimeout as pause } from 'node:timers/promises';
import { type BrokerConnection, onReconnect, whileConnected } from './connection.ts';
import { isMissing } from './errors.ts';
import { handlerFor, runHandler, settleWithin } from './handlers.ts';
import type { MessagingLogger } from './logger.ts';
import { signedBytesOf } from './signed-message.ts';
import { ACK_WAIT_MS } from './streams.ts';

/** Transport of handlers that read streams: `@EventPattern(PATTERNS.task, JETSTREAM)`. Without it Nest registers a handler with every transport. */
export const JETSTREAM = Symbol('jetstream');

/** One message from a stream, as a handler gets it: `onTask(@Payload() delivery: Delivery)`. */
export interface Delivery extends SignedBytes {
  /** The region, holder or service whose consumer delivered it. */
  readonly owner: string;
  readonly subject: string;
  /** 1 at the first delivery. */
  readonly deliveryCount: number;
  /** Place in the stream. */
  readonly sequence: number;
}

export interface JetStreamServerOptions {
  readonly connection: BrokerConnection;
  /** Region, holder or service; handlers see it as `delivery.owner`. */
  readonly owner: string;
  readonly consumers: readonly ConsumerSpec[];
  /** Handlers running side by side, for each consumer. With 1, a consumer's messages are handled in order of delivery. */
  readonly maxConcurrent: number;
  /** Wait before the second delivery after a handler threw; doubled each time, up to 5 s. */
  readonly nakDelayMs: number;
  readonly logger: MessagingLogger;
  /** How long `close` waits for handlers that are running. Default 10 s. */
  readonly closeLimitMs?: number;
}

export interface DeliveryCounts {
  readonly handled: number;
  /** Deliveries that will be repeated because the handler threw. */
  readonly retried: number;
  /** Messages ended for good, by error code. */
  readonly refused: Readonly<Record<string, number>>;
}

const LAST_NAK_DELAY_MS = 5000;
const MISSING_CONSUMER_RETRY_MS = 500;
const HEARTBEAT_MS = 2000;
const PULL_EXPIRES_MS = 10_000;

/**
 * Reads durable JetStream consumers and calls the Nest handler whose pattern fits the subject of each message.
 *
 * A handler that returns has dealt with the message. One that throws InvalidInputError has found a message that can never be right: it is ended with
 * the reason, and counted. One that throws anything else gets the message again, after a growing delay and without end. Messages may come twice
 * and out of order. A long handler keeps its message by regular signs of life, so it may take longer than the acknowledgement time.
 *
 * Consumers that are missing, deleted or behind a lost connection are waited for. Several servers may run in one process, one for each owner.
 *
 * Handlers' errors must arrive unchanged: `runService` of @fedcarbon/service sees to it. Elsewhere register a global exception filter that rethrows,
 * because Nest's own replaces every error by "Internal server error".
 */
export class JetStreamServer extends Server implements CustomTransportStrategy {
  override readonly transportId = JETSTREAM;
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: JetStreamServerOptions;
  readonly #open = new Set<ConsumerMessages>();
  readonly #running = new Set<Promise<void>>();
  readonly #loops: Promise<void>[] = [];
  readonly #signsOfLife = new Set<NodeJS.Timeout>();
  readonly #closing = new AbortController();
  readonly #counts = { handled: 0, retried: 0, refused: {} as Record<string, number> };
  #stopListening: (() => void) | undefined;

  constructor(options: JetStreamServerOptions) {
    super();
    this.#options = options;
  }

  get counts(): DeliveryCounts {
    return this.#counts;
  }

  override listen(callback: () => void): void {
    // Pull requests of a lost connection are lost with it.
    this.#stopListening = onReconnect(this.#options.connection, () => {
      for (const messages of this.#open) messages.stop();
    });
    for (const consumer of this.#options.consumers) this.#loops.push(this.#consume(consumer));
    callback();
  }

  /** Stops reading and lets running handlers finish, within the limit. The connection stays open: its owner closes it. */
  override async close(): Promise<void> {
    const { connection, owner, logger, closeLimitMs = 10_000 } = this.#options;
    this.#closing.abort();
    this.#stopListening?.();
    for (const messages of this.#open) messages.stop();
    const settled = await settleWithin([...this.#loops, ...this.#running], closeLimitMs);
    if (!settled)
      logger.warn({ owner, running: this.#running.size }, 'handlers still ran when the time to stop was up');
    // A handler that hangs must not keep its message from the next reader.
    for (const signOfLife of this.#signsOfLife) clearInterval(signOfLife);
    // Without a connection acknowledgements are lost, which repeats the messages.
    if (!connection.isClosed()) await settleWithin([connection.flush()], 1000);
  }

  override on(): never {
    throw new Error('JetStreamServer emits no events: watch the connection');
  }

  override unwrap<T>(): T {
    return this.#options.connection as T;
  }

  async #consume(spec: ConsumerSpec): Promise<void> {
    const { connection, owner, maxConcurrent, logger } = this.#options;
    const fields = { owner, stream: spec.stream, consumer: spec.durable };
    let complaint = '';
    while (!this.#closing.signal.aborted && !connection.isClosed()) {
      try {
        const consumer = await whileConnected(connection, () =>
          jetstream(connection).consumers.get(spec.stream, spec.durable),
        );
        const messages = await consumer.consume({
          max_messages: maxConcurrent,
          // By default the client asks for more at three quarters: with few side by side, once for each message.
          threshold_messages: Math.ceil(maxConcurrent / 4),
          expires: PULL_EXPIRES_MS,
          idle_heartbeat: HEARTBEAT_MS,
          abort_on_missing_resource: true,
        });
        if (complaint !== '') logger.info(fields, 'reading the stream again');
        complaint = '';
        await this.#read(messages, maxConcurrent);
      } catch (error) {
        const reason = describeError(error);
        if (this.#closing.signal.aborted) return;
        if (reason !== complaint) {
          if (isMissing(error)) logger.info(fields, 'waiting for the stream and its consumer to be made');
          else logger.warn({ ...fields, reason }, 'cannot read the stream, trying again');
        }
        complaint = reason;
        await pause(MISSING_CONSUMER_RETRY_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }

  async #read(messages: ConsumerMessages, maxConcurrent: number): Promise<void> {
    this.#open.add(messages);
    const running = new Set<Promise<void>>();
    try {
      if (this.#closing.signal.aborted) messages.stop();
      for await (const message of messages) {
        // Others may have it at once.
        if (this.#closing.signal.aborted) {
          message.nak();
          continue;
        }
        const handled = this.#handle(message).finally(() => {
          running.delete(handled);
          this.#running.delete(handled);
        });
        running.add(handled);
        this.#running.add(handled);
        if (running.size >= maxConcurrent) await Promise.race(running);
      }
    } finally {
      messages.stop();
      this.#open.delete(messages);
    }
  }

  async #handle(message: JsMsg): Promise<void> {
    const { owner, logger } = this.#options;
    const delivery: Delivery = {
      owner,
      subject: message.subject,
      ...signedBytesOf(message.data),
      deliveryCount: message.info.deliveryCount,
      sequence: message.seq,
    };
    const fields = { owner, subject: message.subject, sequence: message.seq, deliveryCount: delivery.deliveryCount };
    const signOfLife = setInterval(() => {
      message.working();
    }, ACK_WAIT_MS / 4);
    this.#signsOfLife.add(signOfLife);
    try {
      const handler = handlerFor(this.messageHandlers, message.subject);
      if (handler === undefined) {
        throw new InvalidInputError(`nothing here handles the subject ${message.subject}`, { code: 'unknown_subject' });
      }
      await runHandler(handler, delivery);
      message.ack();
      this.#counts.handled++;
    } catch (error) {
      const reason = describeError(error);
      if (error instanceof InvalidInputError) {
        message.term(reason.replace(/\s+/g, ' ').slice(0, 200));
        this.#counts.refused[error.code] = (this.#counts.refused[error.code] ?? 0) + 1;
        logger.warn({ ...fields, code: error.code, reason }, 'message refused');
      } else {
        const delayMs = this.#nakDelayMs(delivery.deliveryCount);
        message.nak(delayMs);
        this.#counts.retried++;
        logger.error({ ...fields, delayMs, err: error }, 'handler failed, the message will come again');
      }
    } finally {
      clearInterval(signOfLife);
      this.#signsOfLife.delete(signOfLife);
    }
  }

  #nakDelayMs(deliveryCount: number): number {
    return Math.min(this.#options.nakDelayMs * 2 ** Math.min(deliveryCount - 1, 20), LAST_NAK_DELAY_MS);
  }
}
