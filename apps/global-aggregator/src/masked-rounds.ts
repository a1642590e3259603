import { encodeIntegers } from '@fedcarbon/codec';
import {
  type FederationPlan,
  HELPER,
  openMasking,
  readStatement,
  REGIONAL_REPORT_V1,
  type RegionalReport,
  type SignedBytes,
} from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type Json } from '@fedcarbon/kernel';
import { Batches, messageBytes } from '@fedcarbon/messaging';
import type { RoundRow } from '@fedcarbon/persistence';
import {
  courseOf,
  type Federation,
  type FederationEvent,
  memberIndex,
  membersInOrder,
  phaseDeadlineMs,
  stepFederation,
  sumShape,
  twoServersOf,
} from '@fedcarbon/round';
import { type CoordinatorEvent, kindOf, type MessageKind } from '@fedcarbon/secure-sum';
import type { FederationParts } from './federation-runner.ts';
import { tallyOf } from './regional-reports.ts';
import type { RoundInSum } from './round-messages.ts';
import { type CarriedOut, RoundClosing, type OpenedSum } from './round-closing.ts';
import type { Records } from './store.ts';
import { type CoordinatorTurn, type CoordinatorView, type Outcome, SumCoordinator } from './sum-coordinator.ts';

/** What holders may say to the coordinator. Masked vectors go to their region. */
const FROM_HOLDERS: readonly (MessageKind | undefined)[] = ['hello', 'shares', 'consent', 'answer'];

/** One thing that happens to the coordinator. */
interface Incident {
  readonly event: CoordinatorEvent;
  readonly bytesUp?: number;
}

/** What a transaction over all records works with. */
interface Context {
  readonly records: Records;
  readonly closing: RoundClosing;
  readonly nowMs: number;
  readonly startedAtMs: number | undefined;
}

/**
 * The rounds of a plan under trust `distributed`: the secure sum's coordinator and the course of rounds, moved on together. Every transaction takes the
 * plan's lock, catches up with the coordinator's facts, steps, and writes facts, messages and what becomes of the round at once: a sum is never open without
 * its round closed, and a round never open without the coordinator knowing.
 */
export class MaskedRounds {
  readonly #parts: FederationParts;
  readonly #coordinator: SumCoordinator;
  readonly #batches = new Batches<Incident>((_, incidents) => this.#step(() => incidents));
  #startedAtMs: number | undefined;

  constructor(parts: FederationParts) {
    this.#parts = parts;
    this.#coordinator = new SumCoordinator(parts);
  }

  /** Takes a message of a holder, or of the helper, to the coordinator. Throws InvalidInputError for one that can never be right. */
  async onMessage(sender: string, signed: SignedBytes): Promise<void> {
    const { planHash } = this.#parts;
    await this.#batches.add(planHash, sender === HELPER ? this.#ofHelper(signed) : this.#ofHolder(sender, signed));
  }

  #ofHolder(holder: string, signed: SignedBytes): Incident {
    const { plan, planHash, verifySignature } = this.#parts;
    const from = memberIndex(plan, holder);
    const publicKey = fromBase64Url(membersInOrder(plan)[from]?.publicKey ?? '');
    const message = openMasking(planHash, signed, publicKey, verifySignature);
    const kind = kindOf(message);
    if (!FROM_HOLDERS.includes(kind)) {
      throw new InvalidInputError(`${holder}: the coordinator takes no ${kind ?? 'unknown'} message from a holder`);
    }
    return { event: { type: 'message', from, message }, bytesUp: messageBytes(signed.payload.length) };
  }

  #ofHelper(signed: SignedBytes): Incident {
    const { plan, planHash, sha256, verifySignature } = this.#parts;
    const { publicKey } = twoServersOf(plan, planHash, sha256);
    return { event: { type: 'helper', message: openMasking(planHash, signed, publicKey, verifySignature) } };
  }

  /** Starts the plan: the exchange of keys, or the first round when that is over. Repeating it changes nothing. */
  async start(): Promise<void> {
    const { plan, planHash, log } = this.#parts;
    await this.#turn(async (turn, { records, closing, nowMs }) => {
      if (!(await records.plans.start(planHash, nowMs))) return [];
      closing.enter({ kind: 'federation.opened', planHash, plan: plan as Json, keys: plan.keys });
      log.info({ planHash, members: courseOf(plan).members }, 'federation started');
      const { members } = turn.view;
      return members === undefined ? [] : [{ type: 'ready', members }];
    });
  }

  /** Says again what may have been lost. */
  async resume(): Promise<void> {
    await this.#step(() => [{ event: { type: 'resume' } }]);
  }

  /** What the secure sum says of a round that is open. */
  async inSum({ index }: RoundRow): Promise<RoundInSum> {
    const { lastSeen } = this.#coordinator;
    const isOpen = lastSeen.round === index - 1;
    return inSum(this.#parts, isOpen ? lastSeen : await this.#coordinator.look(this.#parts.store.records.masking));
  }

  /** When the coordinator will have waited long enough for holders or the helper; undefined while it waits for neither. */
  async deadlineAtMs(): Promise<number | undefined> {
    const { plan, planHash, store } = this.#parts;
    this.#startedAtMs ??= (await store.records.plans.find(planHash))?.startedAtMs;
    const { phase, phaseSinceMs } = await this.#coordinator.look(store.records.masking);
    return phase && phaseDeadlineMs(plan, phase, phaseSinceMs, this.#startedAtMs);
  }

  /** Ends a phase whose time is over. */
  async giveUpWaiting(): Promise<void> {
    const { plan, clock } = this.#parts;
    await this.#step(({ phase, phaseSinceMs, round }, startedAtMs) => {
      const deadlineMs = phase && phaseDeadlineMs(plan, phase, phaseSinceMs, startedAtMs);
      if (phase === undefined || deadlineMs === undefined || clock.nowMs() < deadlineMs) return [];
      return [{ event: { type: 'deadline', phase, ...(round === undefined ? {} : { round }) } }];
    });
  }

  /** Closes the sum of a round that all regions have reported, or whose deadline has passed: who is in it is settled then. */
  async closeSum(roundId: string): Promise<void> {
    await this.#turn(async (turn, { records, nowMs }) => {
      const open = (await records.rounds.find(roundId)) as RoundRow;
      const round = open.index - 1;
      if (open.status !== 'open' || turn.view.phase !== 'masked') return [];
      const reports = await reportsOf(records, open);
      const federation = federationOf([open], reports, 'collecting');
      const { effects } = stepFederation(courseOf(this.#parts.plan), federation, { type: 'tick' }, nowMs);
      if (effects[0]?.type !== 'closeSum') return [];
      const partials = reports.flatMap(({ aggregate }) =>
        aggregate === '' ? [] : [{ event: { type: 'partial' as const, message: fromBase64Url(aggregate) } }],
      );
      return stepAll(turn, [...partials, { event: { type: 'deadline', phase: 'masked', round } }]);
    });
  }

  /** Steps the coordinator; when that comes to something, the course of rounds as well. `choose` looks at how things are under the plan's lock. */
  async #step(choose: (view: CoordinatorView, startedAtMs: number | undefined) => readonly Incident[]): Promise<void> {
    const { store, clock, faultPoint } = this.#parts;
    const all = () => this.#turn((turn, { startedAtMs }) => stepAll(turn, choose(turn.view, startedAtMs)));
    // What will most likely open a sum need not be tried twice.
    const { lastSeen } = this.#coordinator;
    if (mayOpen(lastSeen, choose(lastSeen, undefined).length)) return all();
    const nowMs = clock.nowMs();
    // Most steps change the coordinator alone.
    const kept = await store.maskingTransaction(async (masking) => {
      const [row, turn] = await Promise.all([masking.lockPlan(), this.#coordinator.turn(masking, nowMs)]);
      if (row?.status !== 'open') return 'nothing';
      const outcomes = stepAll(turn, choose(turn.view, row.startedAtMs));
      if (outcomes.length > 0 && row.startedAtMs !== undefined) return 'more';
      this.#report(turn);
      if (!turn.changed) return 'nothing';
      await turn.write(masking);
      faultPoint(`masking-unsaved-${turn.view.phase ?? 'idle'}`);
      return turn;
    });
    if (kept === 'nothing') return;
    if (kept === 'more') return all();
    this.#done(kept);
  }

  /** One transaction over all records. `work` steps the coordinator and returns what that came to. */
  async #turn(work: (turn: CoordinatorTurn, context: Context) => Outcome[] | Promise<Outcome[]>): Promise<void> {
    const { store, clock, log, faultPoint } = this.#parts;
    const nowMs = clock.nowMs();
    const done = await store.transaction(async (records) => {
      const row = await records.masking.lockPlan();
      if (row?.status !== 'open') return undefined;
      const turn = await this.#coordinator.turn(records.masking, nowMs);
      const closing = new RoundClosing(this.#parts, records, nowMs);
      const outcomes = await work(turn, { records, closing, nowMs, startedAtMs: row.startedAtMs });
      let carriedOut: CarriedOut = {};
      for (const outcome of outcomes) carriedOut = await this.#follow(outcome, turn, records, closing, nowMs);
      this.#report(turn);
      await turn.write(records.masking);
      const checkpoint = await closing.sealIfAny();
      if (carriedOut.closed !== undefined) faultPoint('closing');
      faultPoint(`masking-unsaved-${turn.view.phase ?? 'idle'}`);
      return { turn, checkpoint, ...carriedOut };
    });
    if (done === undefined) return;
    done.checkpoint?.committed();
    this.#done(done.turn);
    const { closed, open } = done;
    if (closed === undefined || open === undefined) return;
    faultPoint('closed');
    log.info(
      {
        ...{ roundId: open.roundId, purpose: closed.purpose, outcome: closed.outcome },
        ...{ participants: closed.participants, durationMs: nowMs - open.openedAtMs, tookMs: clock.nowMs() - nowMs },
        ...(closed.reason === undefined ? {} : { reason: closed.reason }),
      },
      'round closed',
    );
  }

  #report({ refusals }: CoordinatorTurn): void {
    for (const reason of refusals) this.#parts.log.warn({ reason }, 'masking message refused');
  }

  /** The turn's transaction stands. */
  #done(turn: CoordinatorTurn): void {
    turn.committed();
    this.#parts.committed();
    this.#parts.faultPoint(`masking-saved-${turn.view.phase ?? 'idle'}`);
  }

  /** What the coordinator has come to moves the course of rounds on. */
  async #follow(
    outcome: Outcome,
    turn: CoordinatorTurn,
    records: Records,
    closing: RoundClosing,
    nowMs: number,
  ): Promise<CarriedOut> {
    const { plan, planHash, log } = this.#parts;
    const event = eventOf(plan, outcome, turn.view);
    if (outcome.type === 'failed') log.warn({ reason: outcome.reason }, 'the secure sum cannot be set up');
    const rounds = await records.rounds.list(planHash);
    const open = rounds.at(-1)?.status === 'open' ? rounds.at(-1) : undefined;
    if (outcome.type === 'ready' && open !== undefined) return {};
    if (outcome.type === 'abandoned' && outcome.excluded.length > 0 && open !== undefined) {
      const holders = holdersAt(plan, outcome.excluded);
      log.warn({ roundId: open.roundId, holders, reason: outcome.reason }, 'holders excluded from the rounds to come');
    }
    const all = open === undefined ? [] : await reportsOf(records, open);
    const reports = outcome.type === 'opened' ? this.#within(all, outcome.survivors) : all;
    const { members } = turn.view;
    // Whoever is not in the secure sum takes no part in its rounds.
    const course = { ...courseOf(plan), members: members?.length ?? 0 };
    const federation = federationOf(rounds, reports, open === undefined ? 'settingUp' : 'unmasking');
    const { effects } = stepFederation(course, federation, event, nowMs);
    const sum: OpenedSum = {
      bytes: turn.view.bytesOfEnded,
      ...(outcome.type === 'opened' && open !== undefined ? { aggregate: encodeIntegers(outcome.sum, open.bits) } : {}),
    };
    const carriedOut = await closing.carryOut(effects, { rounds, reports, sum, inSum: inSum(this.#parts, turn.view) });
    if (effects.some(({ type }) => type === 'setUp')) turn.step({ type: 'setUp', round: rounds.length });
    if (carriedOut.opened !== undefined) turn.step({ type: 'open', ...sumShape(plan, carriedOut.opened) });
    return carriedOut;
  }

  /** Reports whose updates are in the sum. One that came after the sum was closed is never read. */
  #within(reports: readonly RegionalReport[], survivors: readonly number[]): RegionalReport[] {
    const { plan } = this.#parts;
    return reports.filter(({ participants }) =>
      participants.every(({ holder }) => survivors.includes(memberIndex(plan, holder))),
    );
  }
}

/** Whether so many more answers are enough to take the masks off. */
function mayOpen({ answersWanted }: CoordinatorView, more: number): boolean {
  return answersWanted !== undefined && more >= answersWanted;
}

function stepAll(turn: CoordinatorTurn, incidents: readonly Incident[]): Outcome[] {
  return incidents.flatMap(({ event, bytesUp }) => turn.step(event, bytesUp));
}

async function reportsOf(records: Records, { roundId }: RoundRow): Promise<RegionalReport[]> {
  const rows = await records.rounds.reports(roundId);
  return rows.map(({ payload }) => readStatement(REGIONAL_REPORT_V1, payload));
}

function federationOf(
  rounds: readonly RoundRow[],
  reports: readonly RegionalReport[],
  stage: Federation['stage'],
): Federation {
  return {
    rounds: rounds.map(({ index, purpose, status }) => ({ index, purpose, outcome: status })),
    reports: new Map(reports.map((report) => [report.region, tallyOf(report)])),
    deadlineAtMs: rounds.at(-1)?.deadlineAtMs ?? 0,
    completed: false,
    stage,
  };
}

/** Rounds are counted from 1 in the plan, from 0 in the secure sum. */
function eventOf(plan: FederationPlan, outcome: Outcome, { excluded }: CoordinatorView): FederationEvent {
  switch (outcome.type) {
    case 'opened':
      return { type: 'opened', index: outcome.round + 1, participants: outcome.survivors.length };
    case 'abandoned': {
      const abandoned = { type: 'abandoned' as const, index: outcome.round + 1, reason: outcome.reason };
      if (outcome.excluded.length === 0) return abandoned;
      const reason = `${outcome.reason}; excluded: ${holdersAt(plan, outcome.excluded).join(', ')}`;
      // Two servers have nothing to set up.
      if (plan.privacy.secureSum?.protocol === 'two-servers') return { ...abandoned, reason };
      return { ...abandoned, reason, candidates: membersInOrder(plan).length - excluded.length };
    }
    default:
      return { type: outcome.type };
  }
}

function inSum({ plan }: FederationParts, { block, members }: CoordinatorView): RoundInSum {
  const absent = membersInOrder(plan).flatMap((_, member) => (members?.includes(member) === false ? [member] : []));
  return { block, absent };
}

function holdersAt(plan: FederationPlan, members: readonly number[]): string[] {
  return members.map((member) => membersInOrder(plan)[member]?.holder ?? '');
}
