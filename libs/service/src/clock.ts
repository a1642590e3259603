import type { Clock } from '@fedcarbon/kernel';

/** The machine's clock. */
export const systemClock: Clock = { nowMs: () => Date.now() };
