import type { Verdict } from '@fedcarbon/contracts';

/** What a picked holder has sent so far. */
export type Answer =
  | { readonly kind: 'accepted'; readonly attempt: number; readonly updateDigest: string }
  | { readonly kind: 'declined' };

/** One round as a region sees it. Facts only: it is rebuilt from the region's tables before every event. */
export interface RegionRound {
  /** Holders that got the task. */
  readonly picked: readonly string[];
  readonly deadlineAtMs: number;
  readonly answers: ReadonlyMap<string, Answer>;
  /** The report has been written; what comes now is late. */
  readonly reported: boolean;
}

export type RegionEvent =
  | {
      readonly type: 'update';
      readonly holder: string;
      readonly attempt: number;
      readonly updateDigest: string;
      /** Why the update cannot be used, found by looking at it alone (signature, commit, plan hash, shape). */
      readonly problem?: string;
    }
  | { readonly type: 'decline'; readonly holder: string }
  | { readonly type: 'tick' };

export type RegionEffect =
  | {
      readonly type: 'receipt';
      readonly holder: string;
      readonly attempt: number;
      readonly updateDigest: string;
      readonly verdict: Verdict;
      readonly reason?: string;
    }
  /** Sum what is accepted and send it on. Happens once. */
  | { readonly type: 'report' };

export interface RegionStep {
  readonly round: RegionRound;
  readonly effects: readonly RegionEffect[];
}

/**
 * One event of a region's round. Idempotent: an update whose digest is accepted gets the same verdict again and changes nothing; after `report` nothing
 * changes any more. The report goes out when every picked holder has answered, or at the first event at or after the deadline.
 */
export function stepRegion(round: RegionRound, event: RegionEvent, nowMs: number): RegionStep {
  const { round: after, effects } = answer(round, event, nowMs);
  const due = nowMs >= after.deadlineAtMs || after.picked.every((holder) => after.answers.has(holder));
  if (after.reported || !due) return { round: after, effects };
  return { round: { ...after, reported: true }, effects: [...effects, { type: 'report' }] };
}

function answer(round: RegionRound, event: RegionEvent, nowMs: number): RegionStep {
  if (event.type === 'tick') return { round, effects: [] };
  const closed = round.reported || nowMs >= round.deadlineAtMs;
  const known = round.answers.get(event.holder);
  if (event.type === 'decline') {
    // A holder that has sent an update cannot take it back.
    if (closed || known !== undefined || !round.picked.includes(event.holder)) return { round, effects: [] };
    return { round: withAnswer(round, event.holder, { kind: 'declined' }), effects: [] };
  }
  const { holder, attempt, updateDigest } = event;
  const receipt = (verdict: Verdict, reason?: string): RegionEffect => ({
    type: 'receipt',
    holder,
    attempt,
    updateDigest,
    verdict,
    ...(reason === undefined ? {} : { reason }),
  });
  if (event.problem !== undefined) return { round, effects: [receipt('rejected', event.problem)] };
  if (!round.picked.includes(holder)) {
    return { round, effects: [receipt('rejected', 'this holder was not picked for the round')] };
  }
  if (known?.kind === 'accepted') {
    if (known.updateDigest === updateDigest && known.attempt === attempt)
      return { round, effects: [receipt('accepted')] };
    return { round, effects: [receipt('duplicate', `attempt ${String(known.attempt)} is accepted already`)] };
  }
  if (closed) return { round, effects: [receipt('late', 'the round was closed in this region')] };
  return {
    round: withAnswer(round, holder, { kind: 'accepted', attempt, updateDigest }),
    effects: [receipt('accepted')],
  };
}

function withAnswer(round: RegionRound, holder: string, given: Answer): RegionRound {
  return { ...round, answers: new Map(round.answers).set(holder, given) };
}
