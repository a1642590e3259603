import type { FederationPlan, Purpose } from '@fedcarbon/contracts';

/** A round as the ledger knows it. */
export interface RoundRecord {
  readonly index: number;
  readonly purpose: Purpose;
  readonly outcome: 'open' | 'released' | 'abandoned';
}

/** What the global tier counts of a region's report. */
export interface RegionTally {
  readonly participants: number;
  /** Members that will not take part in this plan any more: over budget, or the plan is not accepted. */
  readonly goneForGood: number;
}

/** A federation as the global tier sees it. Facts only: it is rebuilt from Postgres before every event. */
export interface Federation {
  /** All rounds in order of index; at most the last one is open. */
  readonly rounds: readonly RoundRecord[];
  /** Reports for the open round, by region. */
  readonly reports: ReadonlyMap<string, RegionTally>;
  /** Of the open round. */
  readonly deadlineAtMs: number;
  readonly completed: boolean;
  /**
   * Under a secure sum, what it is at: its holders exchange keys before the first round, and before another one when that has to be done anew
   * (`settingUp`); a round collects masked updates, then the masks come
   * off (`unmasking`). Without one everything is `collecting`.
   */
  readonly stage: 'settingUp' | 'collecting' | 'unmasking';
}

export type FederationEvent =
  | { readonly type: 'start' }
  | { readonly type: 'report'; readonly index: number; readonly region: string; readonly tally: RegionTally }
  | { readonly type: 'tick' }
  /** The secure sum is set up. */
  | { readonly type: 'ready' }
  /** The secure sum cannot be set up. */
  | { readonly type: 'failed' }
  /** The sum of a round is open; `participants` are in it. */
  | { readonly type: 'opened'; readonly index: number; readonly participants: number }
  /** The sum of a round will never be open. When the secure sum has to be set up anew, as many members as `candidates` can take part in that. */
  | { readonly type: 'abandoned'; readonly index: number; readonly reason: string; readonly candidates?: number };

export type FederationEffect =
  /** Begin the exchange of keys, or wait for its end. */
  | { readonly type: 'setUp' }
  /** No more masked updates: settle who is in the sum and take the masks off. */
  | { readonly type: 'closeSum'; readonly index: number }
  | { readonly type: 'openRound'; readonly index: number; readonly purpose: Purpose }
  | {
      readonly type: 'closeRound';
      readonly index: number;
      readonly purpose: Purpose;
      readonly outcome: 'released' | 'abandoned';
      readonly participants: number;
      readonly reason?: string;
    }
  | { readonly type: 'complete'; readonly reason: 'planned' | 'ended_early'; readonly rounds: number };

export interface FederationStep {
  readonly federation: Federation;
  readonly effects: readonly FederationEffect[];
}

/** What of the plan the course of rounds depends on. */
export type Course = Pick<FederationPlan['recipe'], 'rounds' | 'spareRounds'> & {
  readonly regions: number;
  readonly members: number;
  readonly quorum: number;
  /** Time from opening to the global deadline. */
  readonly globalDeadlineMs: number;
  /** Updates are masked: trust `distributed`. */
  readonly masked: boolean;
};

/** The course that a plan prescribes. */
export function courseOf(plan: FederationPlan): Course {
  return {
    rounds: plan.recipe.rounds,
    spareRounds: plan.recipe.spareRounds,
    regions: plan.regions.length,
    members: plan.regions.reduce((sum, { members }) => sum + members.length, 0),
    quorum: plan.round.quorum,
    globalDeadlineMs: plan.round.globalDeadlineMs,
    masked: plan.privacy.trust === 'distributed',
  };
}

/** A federation before its first round. */
export const notStarted: Federation = {
  rounds: [],
  reports: new Map(),
  deadlineAtMs: 0,
  completed: false,
  stage: 'collecting',
};

/**
 * One event of a federation. Rounds follow one another: model rounds until the planned number is released or the paid-for indices are used up, then one
 * round of benchmarks, then the end. A round closes when all regions have reported, or at the first event at or after its deadline; it is released when
 * at least `quorum` updates are in it, else abandoned: its charges stay, its index is not used again. Reports for another round than the open one, and
 * second reports of a region, change nothing.
 *
 * When updates are masked, the rounds begin once the secure sum is set up, and a round that would close has its sum closed instead; it ends as the secure
 * sum says, which opens nothing below the quorum. When that sets it up anew, the next round waits for it.
 */
export function stepFederation(
  course: Course,
  federation: Federation,
  event: FederationEvent,
  nowMs: number,
): FederationStep {
  const unchanged = { federation, effects: [] };
  if (federation.completed) return unchanged;
  const open = federation.rounds.at(-1)?.outcome === 'open' ? federation.rounds.at(-1) : undefined;
  if (open === undefined) return begin(course, federation, event, nowMs) ?? unchanged;
  if (federation.stage === 'unmasking') {
    if (event.type === 'opened' && event.index === open.index) {
      return close(course, federation, open, { participants: event.participants }, nowMs);
    }
    if (event.type === 'abandoned' && event.index === open.index) {
      const { reason, candidates } = event;
      return close(course, federation, open, { participants: reported(federation), reason, candidates }, nowMs);
    }
    return unchanged;
  }
  const heard = event.type === 'report' ? withReport(federation, open.index, event) : federation;
  if (heard.reports.size < course.regions && nowMs < heard.deadlineAtMs) return { federation: heard, effects: [] };
  if (course.masked) {
    return { federation: { ...heard, stage: 'unmasking' }, effects: [{ type: 'closeSum', index: open.index }] };
  }
  const participants = reported(heard);
  const reason =
    participants < course.quorum
      ? `${String(participants)} updates, the quorum is ${String(course.quorum)}`
      : undefined;
  return close(course, heard, open, { participants, reason }, nowMs);
}

function begin(
  course: Course,
  federation: Federation,
  event: FederationEvent,
  nowMs: number,
): FederationStep | undefined {
  if (event.type === 'start' && federation.stage !== 'settingUp') {
    if (!course.masked) return goOn(course, federation, nowMs);
    return setUp(federation);
  }
  if (federation.stage !== 'settingUp') return undefined;
  if (event.type === 'ready') return goOn(course, federation, nowMs);
  return event.type === 'failed' ? complete(course, federation) : undefined;
}

function setUp(federation: Federation): FederationStep {
  return { federation: { ...federation, stage: 'settingUp' }, effects: [{ type: 'setUp' }] };
}

function reported({ reports }: Federation): number {
  return [...reports.values()].reduce((sum, tally) => sum + tally.participants, 0);
}

function withReport(
  federation: Federation,
  openIndex: number,
  { index, region, tally }: { index: number; region: string; tally: RegionTally },
): Federation {
  if (index !== openIndex || federation.reports.has(region)) return federation;
  return { ...federation, reports: new Map(federation.reports).set(region, tally) };
}

function close(
  course: Course,
  federation: Federation,
  open: RoundRecord,
  {
    participants,
    reason,
    candidates,
  }: { readonly participants: number; readonly reason?: string | undefined; readonly candidates?: number | undefined },
  nowMs: number,
): FederationStep {
  const outcome = reason === undefined ? 'released' : 'abandoned';
  const closing: FederationEffect = {
    type: 'closeRound',
    index: open.index,
    purpose: open.purpose,
    outcome,
    participants,
    ...(reason === undefined ? {} : { reason }),
  };
  const closed: Federation = {
    ...federation,
    reports: new Map(),
    rounds: [...federation.rounds.slice(0, -1), { ...open, outcome }],
  };
  const gone = [...federation.reports.values()].reduce((sum, tally) => sum + tally.goneForGood, 0);
  const hopeless = outcome === 'abandoned' && (candidates ?? course.members - gone) < course.quorum;
  const going = hopeless ? complete(course, closed) : goOn(course, closed, nowMs);
  const next = candidates === undefined || going.federation.completed ? going : setUp(closed);
  return { federation: next.federation, effects: [closing, ...next.effects] };
}

function goOn(course: Course, federation: Federation, nowMs: number): FederationStep {
  const { rounds } = federation;
  const models = rounds.filter(({ purpose }) => purpose === 'model');
  const released = models.filter(({ outcome }) => outcome === 'released').length;
  const trained = released >= course.rounds || models.length >= course.rounds + course.spareRounds;
  if (trained && rounds.some(({ purpose }) => purpose === 'benchmarks')) return complete(course, federation);
  const next = { index: rounds.length + 1, purpose: trained ? ('benchmarks' as const) : ('model' as const) };
  return {
    federation: {
      ...federation,
      rounds: [...rounds, { ...next, outcome: 'open' }],
      reports: new Map(),
      deadlineAtMs: nowMs + course.globalDeadlineMs,
      stage: 'collecting',
    },
    effects: [{ type: 'openRound', ...next }],
  };
}

function complete(course: Course, federation: Federation): FederationStep {
  const rounds = federation.rounds.filter(
    ({ purpose, outcome }) => purpose === 'model' && outcome === 'released',
  ).length;
  const benchmarks = federation.rounds.some(
    ({ purpose, outcome }) => purpose === 'benchmarks' && outcome === 'released',
  );
  const reason = rounds >= course.rounds && benchmarks ? 'planned' : 'ended_early';
  return { federation: { ...federation, completed: true }, effects: [{ type: 'complete', reason, rounds }] };
}
