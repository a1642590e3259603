import { describeError } from '@fedcarbon/kernel';
import type { MessagingLogger } from './logger.ts';
import type { OutgoingMessage } from './publish.ts';

/** A message that a committed transaction left to be published. */
export interface OutboxMessage extends OutgoingMessage {
  readonly id: bigint;
}

/** The outbox table, seen by one owner. */
export interface OutboxSource {
  /** The oldest unpublished messages, in order of `id`. */
  pending(limit: number): Promise<readonly OutboxMessage[]>;
  markPublished(ids: readonly bigint[]): Promise<void>;
}

const BATCH = 128;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5000;

/**
 * Publishes what transactions have put into an outbox: at least once, and in order of `id` within each subject. Different subjects are
 * published side by side, so that a round's tasks cost one round trip to the broker, not one each.
 * It looks when poked (call `poke` after a commit) and every `pollMs`, and goes on trying through outages of broker and database.
 */
export class OutboxPump {
  readonly #options;
  #poked = false;
  #wake: (() => void) | undefined;
  #stopping = false;
  readonly #loop: Promise<void>;

  constructor(options: {
    readonly owner: string;
    readonly source: OutboxSource;
    readonly publish: (message: OutgoingMessage) => Promise<unknown>;
    readonly logger: MessagingLogger;
    readonly pollMs: number;
  }) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Look now: something may have been committed. */
  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /** Ends after the batch in hand. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { owner, logger, pollMs } = this.#options;
    let failures = 0;
    while (!this.#stopping) {
      this.#poked = false;
      try {
        const more = await this.#publishBatch();
        if (failures > 0) logger.info({ owner, failures }, 'outbox: publishing again');
        failures = 0;
        if (!more) await this.#rest(pollMs, true);
      } catch (error) {
        failures++;
        const retryMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS);
        logger.warn({ owner, failures, retryMs, reason: describeError(error) }, 'outbox: could not publish');
        await this.#rest(retryMs, false);
      }
    }
  }

  /** Returns whether there may be more to publish at once. Throws the first failure, after everything that could be published is marked. */
  async #publishBatch(): Promise<boolean> {
    const { source, publish } = this.#options;
    const batch = await source.pending(BATCH);
    if (batch.length === 0) return false;
    const published: bigint[] = [];
    const bySubject = new Map<string, OutboxMessage[]>();
    for (const message of batch) {
      const queue = bySubject.get(message.subject);
      if (queue === undefined) bySubject.set(message.subject, [message]);
      else queue.push(message);
    }
    const outcomes = await Promise.allSettled(
      [...bySubject.values()].map(async (queue) => {
        for (const message of queue) {
          await publish(message);
          published.push(message.id);
        }
      }),
    );
    if (published.length > 0) await source.markPublished(published);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    return batch.length === BATCH;
  }

  /** Waits, at most `ms`; a poke ends the wait early where `pokeable`, a stop always. */
  async #rest(ms: number, pokeable: boolean): Promise<void> {
    if (this.#stopping || (pokeable && this.#poked)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!pokeable && !this.#stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
