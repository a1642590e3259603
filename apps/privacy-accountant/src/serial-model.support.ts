import type { MechanismEvent } from '@fedcarbon/contracts';
import type { Budget } from '@fedcarbon/persistence';
import { epsilonOf } from '@fedcarbon/privacy';

/** What a caller can see of an answer, with the signatures left out. */
export type Seen =
  | { readonly kind: 'granted'; readonly expiresAtMs: number; readonly epsilonAfter: number; readonly budget: Budget }
  | {
      readonly kind: 'refused';
      readonly epsilonSpent: number;
      readonly epsilonIfGranted: number;
      readonly budget: Budget;
    }
  | { readonly kind: 'committed'; readonly updateDigest: string }
  | { readonly kind: 'not committed'; readonly reason: string }
  | { readonly kind: 'error'; readonly code: string };

interface Charge {
  readonly event: MechanismEvent;
  status: 'reserved' | 'committed' | 'expired';
  expiresAtMs: number;
  updateDigest?: string;
}

/** The accountant of one data set as the design states it: one list, one request after the other, every history composed anew. */
export class SerialModel {
  budget: Budget | undefined;
  readonly charges = new Map<string, Charge>();
  readonly refusedKeys = new Set<string>();
  readonly #ttlMs: number;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  reserve(key: string, event: MechanismEvent, cap: Budget, nowMs: number): Seen {
    const known = this.charges.get(key);
    if (known !== undefined && known.event.sensitivitySquared !== event.sensitivitySquared) {
      return { kind: 'error', code: 'event_conflict' };
    }
    const { epsilon, delta } = this.budget ?? cap;
    const budget = { epsilon: Math.min(epsilon, cap.epsilon), delta: Math.min(delta, cap.delta) };
    this.budget = budget;
    for (const charge of this.charges.values()) {
      if (charge.status === 'reserved' && charge.expiresAtMs <= nowMs) charge.status = 'expired';
    }
    if (known?.updateDigest !== undefined) return { kind: 'committed', updateDigest: known.updateDigest };
    if (known?.status === 'reserved') {
      return { kind: 'granted', expiresAtMs: known.expiresAtMs, epsilonAfter: this.epsilon(budget.delta), budget };
    }
    const epsilonAfter = epsilonOf([...this.events(), event], budget.delta).epsilon;
    if (epsilonAfter > budget.epsilon) {
      this.refusedKeys.add(key);
      return { kind: 'refused', epsilonSpent: this.epsilon(budget.delta), epsilonIfGranted: epsilonAfter, budget };
    }
    const expiresAtMs = nowMs + this.#ttlMs;
    this.charges.set(key, { event, status: 'reserved', expiresAtMs });
    return { kind: 'granted', expiresAtMs, epsilonAfter, budget };
  }

  commit(key: string, updateDigest: string): Seen {
    const charge = this.charges.get(key);
    if (charge === undefined) return { kind: 'not committed', reason: 'unknown_reservation' };
    if (charge.status === 'expired') return { kind: 'not committed', reason: 'expired' };
    charge.status = 'committed';
    charge.updateDigest ??= updateDigest;
    if (charge.updateDigest !== updateDigest) return { kind: 'not committed', reason: 'digest_conflict' };
    return { kind: 'committed', updateDigest };
  }

  /** What the history call answers at `nowMs`: key -> digest, undefined for what is only reserved. */
  history(nowMs: number): Map<string, string | undefined> {
    const counted = [...this.charges].filter(
      ([, { status, expiresAtMs }]) => status === 'committed' || (status === 'reserved' && expiresAtMs > nowMs),
    );
    return new Map(counted.map(([key, { updateDigest }]) => [key, updateDigest]));
  }

  events(): MechanismEvent[] {
    return [...this.charges.values()].filter(({ status }) => status !== 'expired').map(({ event }) => event);
  }

  epsilon(delta: number): number {
    return epsilonOf(this.events(), delta).epsilon;
  }
}
