import {
  type FederationPlan,
  openStatement,
  readStatement,
  REGIONAL_REPORT_V1,
  type SignedBytes,
  START_REQUEST_V1,
  type StartReply,
} from '@fedcarbon/contracts';
import {
  type Clock,
  fromBase64Url,
  InvalidInputError,
  type Json,
  type RandomSource,
  type Sha256,
  type Signer,
  toHex,
  type VerifySignature,
} from '@fedcarbon/kernel';
import type { NewRound } from '@fedcarbon/persistence';
import type { Accountant } from '@fedcarbon/privacy';
import {
  courseOf,
  type Federation,
  notStarted,
  replayLearner,
  roundIdOf,
  roundShape,
  stepFederation,
} from '@fedcarbon/round';
import type { CheckpointSigner, SignedCheckpoint } from './checkpoint-signer.ts';
import type { FaultPoint } from './fault-injection.ts';
import { checkAggregate, openReport, tallyOf } from './regional-reports.ts';
import { modelAggregates, RoundClosing } from './round-closing.ts';
import { roundOpenedMessage } from './round-messages.ts';
import type { Store } from './store.ts';

type Write = (fields: object, message: string) => void;

export interface FederationParts {
  readonly plan: FederationPlan;
  readonly planHash: string;
  /** Canonical JSON of the plan. */
  readonly planBytes: Uint8Array;
  readonly store: Store;
  readonly signer: Signer;
  readonly checkpoints: CheckpointSigner;
  /** Computes what a history costs; one that remembers, because members of one plan have the same history (`createAccountant`). */
  readonly composer: Pick<Accountant, 'epsilonOf'>;
  readonly sha256: Sha256;
  readonly verifySignature: VerifySignature;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: { readonly info: Write; readonly warn: Write };
  /** Something was committed to the outbox. */
  readonly committed: () => void;
  readonly faultPoint: (point: FaultPoint) => void;
}

/** How often the record is looked at without an event: another instance may have moved on. */
const LOOK_MS = 2000;

/**
 * Runs the rounds of one plan. It keeps nothing in memory that the next event depends on: each event takes the row lock of the open round, rebuilds the
 * federation from Postgres, asks the state machine, and carries out its effects in the same transaction. So it may be killed anywhere, messages may come
 * twice, and several instances may run: one of them closes a round, the others find it closed.
 *
 * In a transaction the row locks come first and the ledger last, because its head is shared with the accountant.
 */
export class FederationRunner {
  readonly #parts: FederationParts;
  #nextLookMs = 0;
  #looking = false;

  constructor(parts: FederationParts) {
    this.#parts = parts;
  }

  /** Stores the plan and its members, which the accountant goes by. Repeating it changes nothing. */
  async enrol(): Promise<void> {
    const { plan, planHash, planBytes, store, clock } = this.#parts;
    const members = plan.regions.flatMap((region) =>
      region.members.map(({ holder, dataset, publicKey }) => ({
        holder,
        dataset,
        region: region.name,
        publicKey: fromBase64Url(publicKey),
      })),
    );
    await store.transaction(({ plans }) =>
      plans.open({ planHash, name: plan.name, body: planBytes, openedAtMs: clock.nowMs(), members }),
    );
  }

  /** Announces the open round again: the broker may have lost it, and whoever knows it does nothing. */
  async announceAgain(): Promise<void> {
    const { planHash, store, plan, signer, sha256, committed } = this.#parts;
    const { rounds, outbox } = store.records;
    const all = await rounds.list(planHash);
    const open = all.at(-1);
    if (open?.status !== 'open') return;
    const { weights } = replayLearner(plan, modelAggregates(all));
    await outbox.enqueueAgain(roundOpenedMessage(open, weights, signer, sha256));
    committed();
  }

  /** Opens the first round. A federation that is started, or over, stays as it is. Throws InvalidInputError for a request that is not the operator's. */
  async onStartRequest(signed: SignedBytes): Promise<StartReply> {
    const { plan, planHash, verifySignature } = this.#parts;
    const request = openStatement(START_REQUEST_V1, signed, fromBase64Url(plan.operatorKey), verifySignature);
    if (request.planHash !== planHash) {
      throw new InvalidInputError(`this service runs plan ${planHash}, not ${request.planHash}`, {
        code: 'wrong_plan',
      });
    }
    await this.#start();
    return { kind: 'started' };
  }

  async #start(): Promise<void> {
    const { plan, planHash, store, clock, log, faultPoint } = this.#parts;
    const nowMs = clock.nowMs();
    const checkpoint = await store.transaction(async (records) => {
      if ((await records.rounds.list(planHash)).length > 0) return undefined;
      const { effects } = stepFederation(courseOf(plan), notStarted, { type: 'start' }, nowMs);
      const [first] = effects;
      if (first?.type !== 'openRound') return undefined;
      const opened = this.#newRound(first, nowMs);
      // The index is unique: of two instances that start at once, the second finds it taken.
      if (!(await records.rounds.open(opened))) return undefined;
      const closing = new RoundClosing(this.#parts, records, nowMs);
      closing.enter({
        kind: 'federation.opened',
        planHash,
        plan: plan as Json,
        keys: plan.keys,
      });
      closing.open(opened, replayLearner(plan, []).weights);
      const sealed = await closing.seal();
      faultPoint('opening');
      return sealed;
    });
    if (checkpoint === undefined) return;
    this.#done(checkpoint);
    faultPoint('opened');
    log.info({ planHash, members: courseOf(plan).members }, 'federation started');
  }

  /** Takes a region's report. Throws InvalidInputError for one that can never be right; a late or repeated one changes nothing. */
  async onReport(region: string, signed: SignedBytes): Promise<void> {
    const { plan, planHash, store, clock, verifySignature, log, faultPoint } = this.#parts;
    const report = openReport({ plan, planHash }, region, signed, verifySignature);
    const { rounds } = store.records;
    const round = await rounds.find(report.roundId);
    if (round?.planHash !== planHash) {
      throw new InvalidInputError(`report of ${region}: there is no round ${report.roundId} in this plan`, {
        code: 'unknown_round',
      });
    }
    checkAggregate(roundShape(plan, round.purpose), report);
    const { roundId } = round;
    const fields = { roundId, region, participants: report.participants.length };
    if (round.status !== 'open') {
      log.warn(fields, 'report came too late');
      return;
    }
    // Needs no lock: what is read under the round's lock counts, and what comes after that is never read.
    const { payload, signature } = signed;
    await rounds.addReport({ roundId, region, payload, signature, receivedAtMs: clock.nowMs() });
    log.info(fields, 'report stored');
    faultPoint('report-stored');
    await this.#closeIfDue(roundId);
  }

  /** Call it several times a second. Closes a round whose deadline has passed, whoever opened it, and signs over charges that came after the end. */
  async tick(): Promise<void> {
    const { planHash, store, clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (this.#looking || nowMs < this.#nextLookMs) return;
    this.#looking = true;
    try {
      const open = await store.records.rounds.current(planHash);
      this.#nextLookMs = Math.min(nowMs + LOOK_MS, open?.deadlineAtMs ?? Infinity);
      if (open === undefined) await this.#coverLateEntries();
      else await this.#closeIfDue(open.roundId);
    } finally {
      this.#looking = false;
    }
  }

  /** Closes a round that all regions have reported, or whose deadline has passed, and opens the next one or ends the federation. */
  async #closeIfDue(roundId: string): Promise<void> {
    const { plan, planHash, store, clock, log, faultPoint } = this.#parts;
    const nowMs = clock.nowMs();
    const { rounds: ahead } = store.records;
    const [stored, current] = await Promise.all([ahead.reports(roundId), ahead.current(planHash)]);
    if (current?.roundId !== roundId) return;
    if (stored.length < plan.regions.length && nowMs < current.deadlineAtMs) return;
    const result = await store.transaction(async (records) => {
      if (!(await records.rounds.lockOpen(roundId))) return undefined;
      const [rows, rounds] = await Promise.all([records.rounds.reports(roundId), records.rounds.list(planHash)]);
      const reports = rows.map(({ payload }) => readStatement(REGIONAL_REPORT_V1, payload));
      const federation: Federation = {
        rounds: rounds.map(({ index, purpose, status }) => ({ index, purpose, outcome: status })),
        reports: new Map(reports.map((stored) => [stored.region, tallyOf(stored)])),
        deadlineAtMs: rounds.at(-1)?.deadlineAtMs ?? 0,
        completed: false,
      };
      // The stored reports are part of the state, so that all of them count whichever event comes first after a crash.
      const { effects } = stepFederation(courseOf(plan), federation, { type: 'tick' }, nowMs);
      const [close, next] = effects;
      const open = rounds.at(-1);
      if (close?.type !== 'closeRound' || next === undefined || open === undefined) return undefined;
      const closing = new RoundClosing(this.#parts, records, nowMs);
      const opened = next.type === 'openRound' ? this.#newRound(next, nowMs) : undefined;
      const learner = await closing.close({ open, close, rounds, reports, last: next.type === 'complete' });
      if (opened !== undefined) {
        if (!(await records.rounds.open(opened))) throw new Error(`round ${opened.roundId} exists already`);
        closing.open(opened, learner.weights);
      } else if (next.type === 'complete') {
        await records.plans.complete(planHash);
        closing.enter({ kind: 'federation.completed', planHash, reason: next.reason, rounds: next.rounds });
      }
      const checkpoint = await closing.seal();
      faultPoint('closing');
      return { checkpoint, close, open };
    });
    if (result === undefined) return;
    this.#done(result.checkpoint);
    faultPoint('closed');
    const { close, open } = result;
    log.info(
      {
        ...{ roundId, purpose: close.purpose, outcome: close.outcome, participants: close.participants },
        durationMs: nowMs - open.openedAtMs,
        tookMs: clock.nowMs() - nowMs,
        ...(close.reason === undefined ? {} : { reason: close.reason }),
      },
      'round closed',
    );
  }

  #newRound({ index, purpose }: Pick<NewRound, 'index' | 'purpose'>, nowMs: number): NewRound {
    const { plan, planHash, random } = this.#parts;
    return {
      roundId: roundIdOf(planHash, index),
      planHash,
      index,
      purpose,
      seed: toHex(random.bytes(32)),
      ...roundShape(plan, purpose),
      openedAtMs: nowMs,
      regionalDeadlineAtMs: nowMs + plan.round.regionalDeadlineMs,
      deadlineAtMs: nowMs + plan.round.globalDeadlineMs,
    };
  }

  /** Charges that were committed after the last round closed are entries without a checkpoint; sign over them once the plan is over. */
  async #coverLateEntries(): Promise<void> {
    const { planHash, store, checkpoints } = this.#parts;
    const { plans, ledger } = store.records;
    if ((await plans.find(planHash))?.status !== 'completed') return;
    const { size } = await ledger.head();
    if ((await ledger.latestCheckpoint())?.size === size) return;
    // Should another entry come in between, the database refuses the checkpoint, and the next look makes it.
    const signed = await store.transaction(async (records) => {
      const checkpoint = await checkpoints.sign(records.ledger, size);
      await records.ledger.addCheckpoint(size, checkpoint.note);
      return checkpoint;
    });
    signed.committed();
  }

  #done(checkpoint: SignedCheckpoint): void {
    checkpoint.committed();
    this.#nextLookMs = 0;
    this.#parts.committed();
  }
}
