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
  type VerifySignature,
} from '@fedcarbon/kernel';
import type { RoundRow } from '@fedcarbon/persistence';
import type { Accountant } from '@fedcarbon/privacy';
import {
  courseOf,
  type Federation,
  notStarted,
  replayLearner,
  stepFederation,
  type Summation,
  summationOf,
} from '@fedcarbon/round';
import type { SecureSumCrypto } from '@fedcarbon/secure-sum';
import type { CheckpointSigner, SignedCheckpoint } from './checkpoint-signer.ts';
import type { FaultPoint } from './fault-point.ts';
import { MaskedRounds } from './masked-rounds.ts';
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
  /** Of the secure sum. */
  readonly crypto: SecureSumCrypto;
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
  readonly #summation: Summation;
  /** Under trust `distributed`. */
  readonly #masked: MaskedRounds | undefined;
  #nextLookMs = 0;
  #looking = false;

  constructor(parts: FederationParts) {
    const { plan, planHash, sha256 } = parts;
    this.#parts = {
      ...parts,
      committed: () => {
        this.#nextLookMs = 0;
        parts.committed();
      },
    };
    this.#summation = summationOf(plan, planHash, sha256);
    this.#masked = plan.privacy.trust === 'distributed' ? new MaskedRounds(this.#parts) : undefined;
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

  /** Says again what the broker may have lost: the open round, and messages of the secure sum. Whoever knows them does nothing. */
  async announceAgain(): Promise<void> {
    const { planHash, store, plan, signer, sha256, committed } = this.#parts;
    await this.#masked?.resume();
    const { rounds, outbox } = store.records;
    const all = await rounds.list(planHash);
    const open = all.at(-1);
    if (open?.status !== 'open') return;
    const learner = replayLearner(plan, modelAggregates(all));
    const inSum = await this.#masked?.inSum(open);
    await outbox.enqueueAgain(roundOpenedMessage(open, learner, inSum, signer, sha256));
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
    await (this.#masked?.start() ?? this.#start());
    return { kind: 'started' };
  }

  async #start(): Promise<void> {
    const { plan, planHash, store, clock, log, faultPoint } = this.#parts;
    const nowMs = clock.nowMs();
    const checkpoint = await store.transaction(async (records) => {
      if ((await records.rounds.list(planHash)).length > 0) return undefined;
      // Of two instances that start at once, the second finds it started.
      if (!(await records.plans.start(planHash, nowMs))) return undefined;
      const { effects } = stepFederation(courseOf(plan), notStarted, { type: 'start' }, nowMs);
      const closing = new RoundClosing(this.#parts, records, nowMs);
      closing.enter({
        kind: 'federation.opened',
        planHash,
        plan: plan as Json,
        keys: plan.keys,
      });
      await closing.carryOut(effects, { rounds: [], reports: [] });
      const sealed = await closing.seal();
      faultPoint('opening');
      return sealed;
    });
    if (checkpoint === undefined) return;
    this.#done(checkpoint);
    faultPoint('opened');
    log.info({ planHash, members: courseOf(plan).members }, 'federation started');
  }

  /** Takes a holder's message to the secure sum. Throws InvalidInputError for one that can never be right. */
  async onMasking(holder: string, signed: SignedBytes): Promise<void> {
    if (this.#masked === undefined) {
      throw new InvalidInputError(`masking message of ${holder}: this plan has no secure sum`, { code: 'wrong_plan' });
    }
    await this.#masked.onMessage(holder, signed);
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
    const { roundId } = round;
    const fields = { roundId, region, participants: report.participants.length };
    if (round.status !== 'open') {
      log.warn(fields, 'report came too late');
      return;
    }
    checkAggregate(this.#summation, { ...round, ...(await this.#masked?.inSum(round)) }, report);
    // Needs no lock: what is read under the round's lock counts, and what comes after that is never read.
    const { payload, signature } = signed;
    await rounds.addReport({ roundId, region, payload, signature, receivedAtMs: clock.nowMs() });
    log.info(fields, 'report stored');
    faultPoint('report-stored');
    await this.#closeIfDue(round);
  }

  /** Call it several times a second. Closes a round whose deadline has passed, whoever opened it, and signs over charges that came after the end. */
  async tick(): Promise<void> {
    const { planHash, store, clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (this.#looking || nowMs < this.#nextLookMs) return;
    this.#looking = true;
    try {
      this.#nextLookMs = nowMs + LOOK_MS;
      const [open, maskingDeadlineMs = Infinity] = await Promise.all([
        store.records.rounds.current(planHash),
        this.#masked?.deadlineAtMs(),
      ]);
      const roundDeadlineMs = open?.deadlineAtMs ?? Infinity;
      const due = [roundDeadlineMs, maskingDeadlineMs].filter((deadlineMs) => deadlineMs > nowMs);
      this.#nextLookMs = Math.min(this.#nextLookMs, ...due);
      if (nowMs >= maskingDeadlineMs) await this.#masked?.giveUpWaiting();
      if (open === undefined) await this.#coverLateEntries();
      else await this.#closeIfDue(open);
    } finally {
      this.#looking = false;
    }
  }

  /** Closes a round that all regions have reported, or whose deadline has passed, and opens the next one or ends the federation. */
  async #closeIfDue({ roundId, deadlineAtMs }: RoundRow): Promise<void> {
    const { plan, planHash, store, clock, log, faultPoint } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs < deadlineAtMs && (await store.records.rounds.countReports(roundId)) < plan.regions.length) return;
    if (this.#masked !== undefined) return this.#masked.closeSum(roundId);
    const result = await store.transaction(async (records) => {
      if (!(await records.rounds.lockOpen(roundId))) return undefined;
      const [rows, rounds] = await Promise.all([records.rounds.reports(roundId), records.rounds.list(planHash)]);
      const reports = rows.map(({ payload }) => readStatement(REGIONAL_REPORT_V1, payload));
      const federation: Federation = {
        rounds: rounds.map(({ index, purpose, status }) => ({ index, purpose, outcome: status })),
        reports: new Map(reports.map((stored) => [stored.region, tallyOf(stored)])),
        deadlineAtMs: rounds.at(-1)?.deadlineAtMs ?? 0,
        completed: false,
        stage: 'collecting',
      };
      // The stored reports are part of the state, so that all of them count whichever event comes first after a crash.
      const { effects } = stepFederation(courseOf(plan), federation, { type: 'tick' }, nowMs);
      const closing = new RoundClosing(this.#parts, records, nowMs);
      const { closed: close, open } = await closing.carryOut(effects, { rounds, reports });
      if (close === undefined || open === undefined) return undefined;
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
    this.#parts.committed();
  }
}
