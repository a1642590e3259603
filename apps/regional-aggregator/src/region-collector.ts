import {
  openAbridged,
  readAbridged,
  ROUND_OPENED_V1,
  type RoundOpened,
  type SignedBytes,
  SUBJECTS,
} from '@fedcarbon/contracts';
import {
  type Clock,
  FedcarbonError,
  fromBase64Url,
  InvalidInputError,
  type Sha256,
  type Signer,
  type VerifySignature,
} from '@fedcarbon/kernel';
import { Batches, messageIdOf } from '@fedcarbon/messaging';
import type { NewOutboxMessage, RegionRoundRow } from '@fedcarbon/persistence';
import { membersInOrder, pickClients, roundContext } from '@fedcarbon/round';
import type { FaultPoint } from './fault-point.ts';
import { openDecline, openUpdate, problemOf, type RegionInPlan, senderOf } from './messages.ts';
import { type Incident, settle } from './settlement.ts';
import type { RegionStore } from './store.ts';

type Write = (fields: object, message: string) => void;

export interface CollectorParts {
  readonly place: RegionInPlan;
  readonly store: RegionStore;
  readonly signer: Signer;
  readonly sha256: Sha256;
  readonly verifySignature: VerifySignature;
  readonly clock: Clock;
  readonly log: { readonly info: Write; readonly warn: Write };
  /** Something was committed to the outbox. */
  readonly committed: () => void;
  readonly faultPoint: (point: FaultPoint) => void;
}

/** One message from a stream. */
export interface Incoming extends SignedBytes {
  readonly subject: string;
  /** 1 at the first delivery. */
  readonly deliveryCount: number;
  /** Place in the stream. */
  readonly sequence: number;
}

/** This region has not heard of the round yet; its opening may be on the way, so the message has to come again. */
export class RoundNotOpenedError extends FedcarbonError {
  constructor(roundId: string) {
    super('round_not_opened', `round ${roundId} is not open here yet`);
  }
}

/** About a minute of growing delays: long after every deadline of the round. */
const MAX_DELIVERIES_BEFORE_OPENING = 20;
/** How often the record is looked at without an event: another instance may have opened a round. */
const LOOK_MS = 2000;
const REMEMBERED_ROUNDS = 8;

/**
 * One region's part in the rounds: forwards the task to its picked members, gives each update a verdict and a signed receipt, and sends the sum on when all
 * have answered or the deadline has passed.
 *
 * What a message says by itself is checked before a transaction; the verdict is given under the row lock of the round, from what is stored. Everything may
 * come twice, and any instance may be killed at any point.
 */
export class RegionCollector {
  readonly #parts: CollectorParts;
  readonly #batches = new Batches<Incident>((roundId, incidents) => this.#settle(roundId, incidents));
  readonly #opened = new Map<string, RoundOpened>();
  #nextLookMs = 0;
  #looking = false;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /** Stores the round and forwards its task. Throws InvalidInputError for a round that the plan does not prescribe, or that is not signed by the global tier. */
  async onRoundOpened(signed: SignedBytes): Promise<void> {
    const { place, store, verifySignature, sha256, clock, log, committed, faultPoint } = this.#parts;
    const { plan, planHash, region } = place;
    const context = roundContext(plan, planHash);
    const opened = openAbridged(ROUND_OPENED_V1, signed, context, fromBase64Url(plan.keys.global), verifySignature);
    const { roundId, seed } = opened;
    const absent = new Set(opened.absent?.map((place) => membersInOrder(plan)[place]?.holder));
    const members = region.members.map(({ holder }) => holder).filter((holder) => !absent.has(holder));
    const picked = pickClients(members, plan.round.clientsPerRegion, seed, sha256);
    // Counted from now on this clock: the members get their whole time whatever the clocks of the two tiers say.
    const deadlineAtMs = clock.nowMs() + plan.round.regionalDeadlineMs;
    const round = {
      ...{ roundId, planHash, picked, deadlineAtMs },
      task: signed.payload,
      taskSignature: signed.signature,
    };
    const tasks = picked.map((holder) => this.#taskMessage(round, holder));
    if (!(await store.openRound(round, tasks))) return;
    this.#remember(opened);
    this.#nextLookMs = Math.min(this.#nextLookMs, deadlineAtMs);
    committed();
    faultPoint('round-stored');
    log.info({ region: region.name, roundId, purpose: opened.purpose, picked: picked.length }, 'round opened');
  }

  /** Gives an update its verdict. Throws InvalidInputError for one that earns no answer, RoundNotOpenedError for one that came before its round. */
  async onUpdate(message: Incoming): Promise<void> {
    const { place, sha256, verifySignature, faultPoint } = this.#parts;
    const sender = senderOf(place, message.subject);
    const update = openUpdate(place, sender, message, { sha256, verifySignature });
    const { roundId, attempt } = update.statement;
    const opened = await this.#openedRound(roundId, message);
    const problem = problemOf(place, sender, opened, update, verifySignature);
    await this.#batches.add(roundId, {
      type: 'update',
      holder: sender.holder,
      attempt,
      updateDigest: update.updateDigest,
      payload: update.payload,
      sequence: message.sequence,
      ...(problem === undefined ? {} : { problem }),
    });
    faultPoint('update-stored');
  }

  /** Takes note that a member does not take part in a round. Throws as `onUpdate` does. */
  async onDecline(message: Incoming): Promise<void> {
    const { place, verifySignature } = this.#parts;
    const { holder, roundId } = openDecline(place, senderOf(place, message.subject), message, verifySignature);
    await this.#openedRound(roundId, message);
    const { payload, signature } = message;
    await this.#batches.add(roundId, { type: 'decline', holder, signed: { payload, signature } });
  }

  /** Call it several times a second. Reports the rounds whose deadline has passed, whoever opened them. */
  async tick(): Promise<void> {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (this.#looking || nowMs < this.#nextLookMs) return;
    this.#looking = true;
    try {
      this.#nextLookMs = nowMs + LOOK_MS;
      const collecting = await this.#collecting();
      const pending = collecting.filter(({ deadlineAtMs }) => deadlineAtMs > nowMs);
      this.#nextLookMs = Math.min(this.#nextLookMs, ...pending.map(({ deadlineAtMs }) => deadlineAtMs));
      for (const { roundId, deadlineAtMs } of collecting) {
        if (deadlineAtMs <= nowMs) await this.#batches.add(roundId, { type: 'tick' });
      }
    } finally {
      this.#looking = false;
    }
  }

  /** Sends the tasks of running rounds again to members that have not answered: the broker may have lost them, and whoever has its task does nothing. */
  async sendTasksAgain(): Promise<void> {
    const { store, committed } = this.#parts;
    for (const round of await this.#collecting()) {
      const answered = await store.answered(round.roundId);
      for (const holder of round.picked) {
        if (!answered.has(holder)) await store.enqueueAgain(this.#taskMessage(round, holder));
      }
    }
    committed();
  }

  /** Of this plan: an earlier one may have left rounds open, which nobody waits for. */
  async #collecting(): Promise<RegionRoundRow[]> {
    const { place, store } = this.#parts;
    return (await store.collecting()).filter(({ planHash }) => planHash === place.planHash);
  }

  async #openedRound(roundId: string, { deliveryCount }: Incoming): Promise<RoundOpened> {
    const known = this.#opened.get(roundId);
    if (known !== undefined) return known;
    const stored = await this.#parts.store.round(roundId);
    if (stored === undefined) {
      if (deliveryCount < MAX_DELIVERIES_BEFORE_OPENING) throw new RoundNotOpenedError(roundId);
      throw new InvalidInputError(`round ${roundId} was never opened here`, { code: 'unknown_round' });
    }
    const { plan, planHash } = this.#parts.place;
    return this.#remember(readAbridged(ROUND_OPENED_V1, stored.task, roundContext(plan, planHash)));
  }

  #remember(opened: RoundOpened): RoundOpened {
    this.#opened.set(opened.roundId, opened);
    const [oldest] = this.#opened.keys();
    if (this.#opened.size > REMEMBERED_ROUNDS && oldest !== undefined) this.#opened.delete(oldest);
    return opened;
  }

  /** The signed bytes of `round.opened`, unchanged. */
  #taskMessage(
    { task, taskSignature }: Pick<RegionRoundRow, 'task' | 'taskSignature'>,
    holder: string,
  ): NewOutboxMessage {
    const signed = { payload: task, signature: taskSignature };
    return { subject: SUBJECTS.task(holder), messageId: messageIdOf(this.#parts.sha256, signed, holder), ...signed };
  }

  /** All that came in together about one round, in one transaction under its lock. */
  async #settle(roundId: string, incidents: readonly Incident[]): Promise<void> {
    const { store, place, clock, log, committed, faultPoint } = this.#parts;
    const settled = await store.settle(roundId, (situation) =>
      settle(this.#parts, situation, incidents, clock.nowMs()),
    );
    if (settled === undefined) throw new RoundNotOpenedError(roundId);
    committed();
    const region = place.region.name;
    for (const { holder, attempt, verdict, reason } of settled.updates) {
      if (verdict !== 'accepted')
        log.warn({ region, roundId, holder, attempt, verdict, reason }, 'update not accepted');
    }
    if (settled.report === undefined) return;
    log.info({ region, roundId }, 'round reported');
    faultPoint('reported');
  }
}
