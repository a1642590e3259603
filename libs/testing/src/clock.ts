import type { Clock } from '@fedcarbon/kernel';

/** A clock that moves only when told to, and never backward. Everything that holds it sees the same time. */
export class FakeClock implements Clock {
  #nowMs: number;

  /** Starts at `nowMs`, by default 2026-01-01T00:00:00Z. */
  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** Lets `ms` milliseconds pass. Throws RangeError when negative or not a number. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock cannot advance by ${ms} ms`);
    this.#nowMs += ms;
  }
}
