interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Handles items of one key one batch after the other: what comes in while a batch is at work makes up the next one. Messages about a round arrive together
 * and need the same row lock, so one transaction for all of them costs little more than for one.
 */
export class Batches<T> {
  readonly #handle: (key: string, items: readonly T[]) => Promise<void>;
  readonly #waiting = new Map<string, Waiting<T>[]>();

  constructor(handle: (key: string, items: readonly T[]) => Promise<void>) {
    this.#handle = handle;
  }

  /** Resolves when the item's batch was handled. Rejects, for all items of the batch, with what the handler threw. */
  add(key: string, item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(key);
      if (queue === undefined) {
        this.#waiting.set(key, [{ item, resolve, reject }]);
        void this.#work(key);
      } else queue.push({ item, resolve, reject });
    });
  }

  async #work(key: string): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(key) ?? [];
      if (batch.length === 0) {
        this.#waiting.delete(key);
        return;
      }
      this.#waiting.set(key, []);
      try {
        await this.#handle(
          key,
          batch.map(({ item }) => item),
        );
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
  }
}
