import type { CommitStatement, Embedded, Verdict } from '@fedcarbon/contracts';
import { FedcarbonError } from '@fedcarbon/kernel';
import type { BudgetCap, MechanismEvent } from '@fedcarbon/privacy';
import type { Fact, FactOf } from './facts.ts';

/**
 * What became of one attempt:
 * - `held`: an earlier journal reserved it; whether its bytes still get charged is unknown;
 * - `prepared`: our bytes are on disk, whether they are charged is unknown;
 * - `committed`: our bytes are charged and may be published;
 * - `spent`: charged, and the bytes are not at hand;
 * - `void`: known never to have been charged, and never will be.
 */
export type AttemptStatus = 'held' | 'prepared' | 'committed' | 'spent' | 'void';

/** One attempt at taking part in a round. */
export interface Attempt {
  readonly planHash: string;
  readonly roundId: string;
  readonly attempt: number;
  readonly event: MechanismEvent;
  readonly status: AttemptStatus;
  /** SHA-256 of the packed bytes, hexadecimal, where known. */
  readonly digest?: string;
  /** The packed bytes, base64url; only while they are ours. */
  readonly payload?: string;
  /** Until then the region waits for the update; milliseconds since the epoch. */
  readonly deadlineAtMs?: number;
  readonly commit?: Embedded<CommitStatement>;
  readonly receipt?: { readonly verdict: Verdict; readonly reason?: string };
}

/** Everything a trainer must remember. A pure fold of the facts, so that a journal and what it means cannot drift apart. */
export interface JournalState {
  readonly cap: BudgetCap | undefined;
  /** The accountant's history has been taken over; before that nothing may be trained. */
  readonly rebuilt: boolean;
  /** The last block of the secure sum in which the holder has said hello, by plan hash. */
  readonly joined: ReadonlyMap<string, number>;
  /** By `<round id>/<attempt>`, in the order in which they were first heard of. */
  readonly attempts: ReadonlyMap<string, Attempt>;
}

export const EMPTY_STATE: JournalState = { cap: undefined, rebuilt: false, joined: new Map(), attempts: new Map() };

/** A fact that contradicts those before it. Always a fault of ours or a damaged journal, never something a peer can bring about. */
export class ContradictoryFactError extends FedcarbonError {
  constructor(message: string) {
    super('contradictory_fact', message);
  }
}

/** The state after `facts`, in order. Throws ContradictoryFactError for a fact that cannot follow; the given state is never changed. */
export function fold(state: JournalState, facts: Iterable<Fact>): JournalState {
  const attempts = new Map(state.attempts);
  let { cap, rebuilt, joined } = state;
  for (const fact of facts) {
    switch (fact.kind) {
      case 'journal':
        if (cap !== undefined) throw new ContradictoryFactError('the journal is opened twice');
        cap = fact.cap;
        break;
      case 'capChanged':
        cap = fact.cap;
        break;
      case 'rebuilt':
        if (rebuilt || attempts.size > 0)
          throw new ContradictoryFactError('the history is taken over twice, or too late');
        rebuilt = true;
        for (const charge of fact.charges) put(attempts, rebuiltAttempt(charge));
        break;
      case 'joined':
        joined = new Map(joined).set(fact.planHash, fact.block);
        break;
      default:
        put(attempts, after(attempts.get(keyOf(fact)), fact));
    }
  }
  return { cap, rebuilt, joined, attempts };
}

function rebuiltAttempt({ status, updateDigest, ...release }: FactOf<'rebuilt'>['charges'][number]): Attempt {
  return {
    ...release,
    status: status === 'committed' ? 'spent' : 'held',
    ...(updateDigest === undefined ? {} : { digest: updateDigest }),
  };
}

/** One attempt after a fact about it. */
function after(before: Attempt | undefined, fact: FactOf<'prepared' | 'committed' | 'abandoned' | 'receipt'>): Attempt {
  const refuse = (why: string): never => {
    throw new ContradictoryFactError(`${fact.kind} ${keyOf(fact)}: ${why}`);
  };
  switch (fact.kind) {
    case 'prepared': {
      if (before !== undefined && before.status !== 'held') {
        return refuse(`the attempt is ${before.status} already; one attempt has one digest`);
      }
      const { kind: _, ...prepared } = fact;
      return { ...prepared, status: 'prepared' };
    }
    case 'committed':
      if (before?.status !== 'prepared') return refuse(`the attempt is ${before?.status ?? 'unknown'}, not prepared`);
      if (before.digest !== fact.commit.statement.updateDigest) return refuse('the commit is for another digest');
      return { ...before, status: 'committed', commit: fact.commit };
    case 'abandoned': {
      if (before?.status === 'committed' || before?.status === 'spent' || before?.status === 'void') {
        return refuse(`the attempt is ${before.status} already`);
      }
      const { planHash, roundId, attempt, event, charged } = fact;
      return { planHash, roundId, attempt, event, status: charged ? 'spent' : 'void' };
    }
    case 'receipt':
      if (before?.digest !== fact.digest) return refuse('no update of this digest is known');
      return {
        ...before,
        receipt: { verdict: fact.verdict, ...(fact.reason === undefined ? {} : { reason: fact.reason }) },
      };
  }
}

function put(attempts: Map<string, Attempt>, attempt: Attempt): void {
  attempts.set(keyOf(attempt), attempt);
}

/** Name of an attempt within a journal; round ids are unique across plans. */
export function keyOf({ roundId, attempt }: { readonly roundId: string; readonly attempt: number }): string {
  return `${roundId}/${String(attempt)}`;
}

/**
 * What has to be assumed spent of the holder's own cap: every attempt that was charged or may still be. `except` leaves one attempt out, to ask what
 * charging it would cost.
 */
export function spentEvents(state: JournalState, except?: string): MechanismEvent[] {
  return [...state.attempts]
    .filter(([key, { status }]) => status !== 'void' && key !== except)
    .map(([, { event }]) => event);
}

/** Attempts at a round, in ascending order. */
export function attemptsOf(state: JournalState, roundId: string): Attempt[] {
  return [...state.attempts.values()]
    .filter((attempt) => attempt.roundId === roundId)
    .sort((a, b) => a.attempt - b.attempt);
}

/** The attempt whose bytes are at hand and have to be seen through: there is at most one that is not void or spent. */
export function openAttempt(state: JournalState, roundId: string): Attempt | undefined {
  return attemptsOf(state, roundId).findLast(({ status }) => status === 'prepared' || status === 'committed');
}

/** Number of the attempt to open next: a held one is taken up again (without its bytes another commit is refused), anything else is followed by a new one. */
export function nextAttempt(state: JournalState, roundId: string): number {
  const last = attemptsOf(state, roundId).at(-1);
  if (last === undefined) return 1;
  return last.status === 'held' ? last.attempt : last.attempt + 1;
}

/** Charged updates of a plan that no receipt has answered yet: to be sent again. */
export function unansweredUpdates(state: JournalState, planHash: string): Attempt[] {
  return [...state.attempts.values()].filter(
    (attempt) => attempt.status === 'committed' && attempt.receipt === undefined && attempt.planHash === planHash,
  );
}

/** Indices of the rounds of a plan in which bytes of this holder have left or may still leave. */
export function releasedIndices(state: JournalState, planHash: string): number[] {
  return [...state.attempts.values()].flatMap((attempt) => {
    const released = attempt.status === 'prepared' || attempt.status === 'committed' || attempt.status === 'spent';
    return released && attempt.planHash === planHash ? [Number(attempt.roundId.split('-')[1])] : [];
  });
}

/** Whether the region has answered any update of the round: nothing more is to be sent for it. */
export function isAnswered(state: JournalState, roundId: string): boolean {
  return attemptsOf(state, roundId).some(({ receipt }) => receipt !== undefined);
}
