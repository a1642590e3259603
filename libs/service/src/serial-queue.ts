/** Runs steps one after the other, in the order in which they were handed in; a step that fails does not hold up the next. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `step` when all earlier ones are over; settles as it does. */
  run<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(step);
    this.#tail = done.catch(() => undefined);
    return done;
  }
}
