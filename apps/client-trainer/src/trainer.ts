import { encodeIntegers } from '@fedcarbon/codec';
import {
  DECLINE_V1,
  type Decline,
  type FederationPlan,
  openAbridged,
  type PlanMember,
  RECEIPT_V1,
  ROUND_OPENED_V1,
  type RoundOpened,
  type SignedBytes,
  signAbridged,
  SUBJECTS,
} from '@fedcarbon/contracts';
import {
  type Clock,
  FedcarbonError,
  fromBase64Url,
  InvalidInputError,
  type RandomSource,
  type Sha256,
  type Signer,
  toBase64Url,
  toHex,
  type VerifySignature,
} from '@fedcarbon/kernel';
import { messageIdOf } from '@fedcarbon/messaging';
import { type Accountant, type BudgetCap, decide } from '@fedcarbon/privacy';
import { FIRST_BLOCK, roundContext } from '@fedcarbon/round';
import { type AccountantClient, AccountantRefusalError, type Charge } from './accountant-client.ts';
import type { HolderRecords } from './holder-records.ts';
import type { Journal } from './journal/journal.ts';
import { type Attempt, isAnswered, keyOf, nextAttempt, openAttempt, spentEvents } from './journal/state.ts';
import type { MaskingHost } from './masking/masking-host.ts';
import type { FaultPoint, HolderLink, Log, Noise } from './ports.ts';
import { noisedIntegers, roundWeights } from './release.ts';
import { SerialQueue } from '@fedcarbon/service';
import type { UpdateSender } from './update-sender.ts';

/** A holder's place in the plan. */
export interface Membership {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly member: PlanMember;
  /** Name of the member's region. */
  readonly region: string;
  /** The region's public key, base64url. */
  readonly regionKey: string;
}

export interface TrainerParts {
  readonly membership: Membership;
  /** What the holder's operator has decided. */
  readonly cap: BudgetCap;
  readonly acceptedPlanHashes: readonly string[];
  readonly journal: Journal;
  readonly records: HolderRecords;
  /** The holder's part in the plan's secure sum; undefined under trust `local`. */
  readonly masking: Masking | undefined;
  readonly accountant: AccountantClient;
  readonly sender: UpdateSender;
  /** Keeps the published model, which comes when training is over; the same one may come again. */
  readonly onPublished: (weights: Float64Array) => Promise<void>;
  readonly link: HolderLink;
  readonly signer: Signer;
  readonly verify: VerifySignature;
  readonly sha256: Sha256;
  readonly random: RandomSource;
  readonly noise: Noise;
  readonly epsilons: Accountant;
  readonly clock: Clock;
  readonly log: Log;
  readonly faultPoint: (point: FaultPoint) => void;
}

/** The secure sum as a trainer sees it. */
export type Masking = Pick<MaskingHost, 'block' | 'ready' | 'out' | 'contribute'>;

/** The task cannot be brought to an end now; it has to come again. */
export class TryAgainError extends FedcarbonError {
  constructor(message: string) {
    super('try_again', message);
  }
}

/** A sound accountant refuses one commit and grants the next attempt; more than this many in a row is a fault. */
const MAX_ATTEMPTS_PER_TASK = 4;

/**
 * One holder's part in a federation: from the task of a round to the noised update that leaves the site, and back to the receipt.
 *
 * In this order, whatever happens in between: own cap, reservation, noise (and masks), journal, charge, journal, publication. So nothing leaves that is not charged and
 * recorded, the same attempt never has two sets of bytes, and a crash at any point is taken up again where it was. Every message may come twice.
 */
export class Trainer {
  readonly #parts: TrainerParts;
  readonly #tasks = new SerialQueue();
  /** Highest index of a round of this plan that was heard of. */
  #newestIndex = 0;
  /** The block whose set-up a whole round has waited for in vain: the next rounds of it need not wait as long. */
  #missedBlock = 0;

  constructor(parts: TrainerParts) {
    this.#parts = parts;
    for (const { planHash, roundId } of parts.journal.state.attempts.values()) {
      if (planHash === parts.membership.planHash) this.#heardOf(Number(roundId.split('-')[1]));
    }
  }

  get membership(): Membership {
    return this.#parts.membership;
  }

  /** Whether tasks can be worked on: the journal knows what was charged before. */
  get ready(): boolean {
    return this.#parts.journal.state.rebuilt;
  }

  /**
   * Before anything else a journal that is new, or was lost, learns from the accountant what the data set has been charged for. Does nothing once it knows.
   * Throws when the accountant cannot be asked, or does not know the holder yet. A task does the same first.
   */
  rebuild(): Promise<void> {
    return this.#tasks.run(() => this.#rebuild());
  }

  /**
   * Takes up what a crash has left prepared, while the region still waits for it; the task comes again only after a while. Throws when the accountant
   * cannot be asked.
   */
  resume(): Promise<void> {
    const { journal, sender, clock, membership } = this.#parts;
    return this.#tasks.run(async () => {
      for (const attempt of journal.state.attempts.values()) {
        const waitedFor = clock.nowMs() < (attempt.deadlineAtMs ?? 0);
        const ours = attempt.status === 'prepared' && attempt.planHash === membership.planHash;
        if (ours && waitedFor && (await this.#commit(attempt))) await sender.sendDue();
      }
    });
  }

  /**
   * Works on the task of a round, one after the other. Returns when the round needs nothing more from this holder but a receipt.
   * Throws InvalidInputError for a task that can never be right; anything else it throws asks for the task to be delivered again.
   */
  onTask(signed: SignedBytes): Promise<void> {
    return this.#tasks.run(() => this.#task(signed));
  }

  /** Takes the region's answer to an update. Throws InvalidInputError for one that is not the region's or not about bytes of this holder. */
  async onReceipt(signed: SignedBytes): Promise<void> {
    const { membership, verify, journal, log } = this.#parts;
    const { planHash, region, regionKey, member } = membership;
    const context = (sent: { readonly roundId: string; readonly attempt: number }) => {
      const updateDigest = journal.state.attempts.get(keyOf(sent))?.digest;
      if (updateDigest === undefined) {
        throw new InvalidInputError(`receipt: nothing was sent as attempt ${String(sent.attempt)} of ${sent.roundId}`, {
          code: 'receipt_of_unknown_update',
        });
      }
      return { planHash, region, holder: member.holder, updateDigest };
    };
    const receipt = openAbridged(RECEIPT_V1, signed, context, fromBase64Url(regionKey), verify);
    const { roundId, attempt, updateDigest: digest, verdict, reason } = receipt;
    if (journal.state.attempts.get(keyOf(receipt))?.receipt?.verdict === verdict) return;
    await journal.append({
      kind: 'receipt',
      roundId,
      attempt,
      digest,
      verdict,
      ...(reason === undefined ? {} : { reason }),
      signature: toBase64Url(signed.signature),
    });
    log[verdict === 'accepted' ? 'info' : 'warn']({ roundId, attempt, digest, verdict, reason }, 'receipt');
  }

  async #rebuild(): Promise<void> {
    const { journal, accountant, random, membership, log } = this.#parts;
    if (this.ready) return;
    const { holder, dataset } = membership.member;
    const charges = await accountant.history({ holder, dataset }, toHex(random.bytes(32)));
    await journal.append({ kind: 'rebuilt', charges });
    log.info({ charges: charges.length }, 'took the history of charges over from the accountant');
  }

  async #task(signed: SignedBytes): Promise<void> {
    const { membership, acceptedPlanHashes, verify, journal, clock, log, onPublished } = this.#parts;
    const { plan, planHash } = membership;
    const context = roundContext(plan, planHash);
    const opened = openAbridged(ROUND_OPENED_V1, signed, context, fromBase64Url(plan.keys.global), verify);
    if (!acceptedPlanHashes.includes(planHash)) return this.#decline(opened, 'plan_not_accepted');
    let weights: Float64Array;
    try {
      weights = roundWeights(plan, opened);
    } catch (error) {
      await this.#decline(opened, 'not_trainable');
      throw error;
    }
    this.#heardOf(opened.index);
    const { roundId } = opened;
    if (opened.purpose === 'benchmarks' && weights.length > 0) await onPublished(weights);
    if (isAnswered(journal.state, roundId)) return;
    const over = clock.nowMs() > opened.openedAtMs + plan.round.globalDeadlineMs;
    if (over && opened.index < this.#newestIndex) {
      log.info({ roundId }, 'left out a round that is long over');
      return;
    }
    try {
      await this.#rebuild();
      await this.#takePart(opened);
    } catch (error) {
      const refused = error instanceof AccountantRefusalError;
      if (!refused && !(error instanceof InvalidInputError)) throw error;
      // Neither comes again: nobody need wait for the deadline.
      await this.#decline(opened, 'not_trainable');
      throw refused ? new InvalidInputError(`${roundId}: ${error.message}`, { cause: error, code: error.code }) : error;
    }
  }

  async #takePart(opened: RoundOpened): Promise<void> {
    const { journal, sender } = this.#parts;
    for (let tries = 0; tries < MAX_ATTEMPTS_PER_TASK; tries++) {
      const attempt = openAttempt(journal.state, opened.roundId) ?? (await this.#prepare(opened));
      if (attempt === 'declined') return;
      if (attempt === 'charged') continue;
      if (attempt.status === 'committed' || (await this.#commit(attempt))) {
        await sender.sendDue();
        return;
      }
    }
    throw new TryAgainError(`${opened.roundId}: the accountant has refused every attempt so far`);
  }

  /** Opens the next attempt, up to bytes in the journal. `charged`: it turned out to be charged already, without bytes at hand. */
  async #prepare(opened: RoundOpened): Promise<Attempt | 'declined' | 'charged'> {
    const { membership, journal, accountant, cap, epsilons, sha256, log, faultPoint } = this.#parts;
    const { event, planHash, roundId } = opened;
    if (!this.#canMask(opened)) {
      await this.#decline(opened, 'not_trainable');
      return 'declined';
    }
    const attempt = nextAttempt(journal.state, roundId);
    const key = keyOf({ roundId, attempt });
    // The part of delta that pays for the noise coming in shares is not there for the events.
    const delta = cap.delta - (membership.plan.privacy.secureSum?.noiseDistanceDelta ?? 0);
    const history = spentEvents(journal.state, key);
    const own = delta > 0 ? decide({ history, event, cap: { epsilon: cap.epsilon, delta } }, epsilons) : undefined;
    if (own?.granted !== true) {
      log.warn({ roundId, attempt, epsilonAfter: own?.epsilonAfter, cap: cap.epsilon, delta }, 'over the own cap');
      await this.#decline(opened, 'over_own_cap');
      return 'declined';
    }
    const answer = await accountant.reserve(this.#charge(roundId, attempt), event);
    faultPoint('after-reserve');
    switch (answer.kind) {
      case 'refused':
        log.warn({ roundId, attempt, reason: answer.reason }, 'refused by the accountant');
        await this.#decline(opened, 'refused_by_accountant');
        return 'declined';
      case 'committed':
        await journal.append({
          kind: 'abandoned',
          ...{ planHash, roundId, attempt, event },
          reason: 'charged_without_bytes',
          charged: true,
        });
        log.warn({ roundId, attempt }, 'charged already and the bytes are lost: a new attempt is a new charge');
        return 'charged';
      case 'granted': {
        const payload = await this.#payload(opened);
        const digest = toHex(sha256(payload));
        await journal.append({
          kind: 'prepared',
          ...{ planHash, roundId, attempt, event, digest },
          payload: toBase64Url(payload),
          deadlineAtMs: opened.openedAtMs + membership.plan.round.regionalDeadlineMs,
        });
        faultPoint('after-prepare');
        return this.#known(key);
      }
    }
  }

  /** Whether a vector can leave as the plan prescribes. Throws TryAgainError while that may still change in time. */
  #canMask({ roundId, openedAtMs, block = FIRST_BLOCK }: RoundOpened): boolean {
    const { membership, masking, clock, log } = this.#parts;
    const { privacy, round } = membership.plan;
    if (masking === undefined) return privacy.secureSum === null;
    const { out } = masking;
    if (out !== undefined) {
      log.error({ roundId }, out);
      return false;
    }
    if (masking.ready && masking.block === block) return true;
    if (masking.block <= block && this.#missedBlock < block && clock.nowMs() < openedAtMs + round.regionalDeadlineMs) {
      throw new TryAgainError(`${roundId}: block ${String(block)} of the secure sum is not set up yet`);
    }
    this.#missedBlock = block;
    log.warn({ roundId, block }, 'the secure sum is not set up for this holder');
    return false;
  }

  /** The bytes that leave in a round: packed modulo 2^bits, or masked as well. What is masked once stays as it is, under later attempts too. */
  async #payload(opened: RoundOpened): Promise<Uint8Array> {
    const { membership, records, masking } = this.#parts;
    const values = () => noisedIntegers(membership.plan, opened, records, this.#parts);
    return masking === undefined
      ? encodeIntegers(values(), opened.bits)
      : masking.contribute(opened.index - 1, opened.bits, values);
  }

  /** Has a prepared attempt charged. False when it was refused and another attempt is needed. */
  async #commit({ planHash, roundId, attempt, event, digest }: Attempt): Promise<boolean> {
    const { journal, accountant, log, faultPoint } = this.#parts;
    if (digest === undefined) throw new TryAgainError(`${roundId}: attempt ${String(attempt)} has no bytes`);
    const answer = await accountant.commit(this.#charge(roundId, attempt), event, digest);
    faultPoint('after-commit');
    if (answer.kind === 'committed') {
      await journal.append({ kind: 'committed', roundId, attempt, commit: answer.commit });
      faultPoint('after-committed');
      return true;
    }
    const { reason } = answer;
    await journal.append({
      kind: 'abandoned',
      ...{ planHash, roundId, attempt, event, reason },
      charged: reason === 'digest_conflict',
    });
    log.warn({ roundId, attempt, reason }, 'commit refused: a new attempt is needed');
    return false;
  }

  async #decline({ planHash, roundId }: RoundOpened, reason: Decline['reason']): Promise<void> {
    const { membership, link, signer, sha256, log } = this.#parts;
    const { holder } = membership.member;
    const signed = signAbridged(DECLINE_V1, { planHash, roundId, holder, reason }, signer);
    log.warn({ roundId, reason }, 'declined');
    await link.publish(SUBJECTS.decline(membership.region, holder), signed, messageIdOf(sha256, signed));
  }

  #charge(roundId: string, attempt: number): Charge {
    const { planHash, member } = this.#parts.membership;
    return { holder: member.holder, dataset: member.dataset, planHash, roundId, attempt };
  }

  #known(key: string): Attempt {
    const attempt = this.#parts.journal.state.attempts.get(key);
    if (attempt === undefined) throw new TryAgainError(`the journal has lost ${key}`);
    return attempt;
  }

  #heardOf(index: number): void {
    this.#newestIndex = Math.max(this.#newestIndex, index);
  }
}

/** Finds a holder in the plan. Throws InvalidInputError unless it is a member and `publicKey` is the one that it was enrolled with. */
export function membershipOf(
  plan: FederationPlan,
  planHash: string,
  holder: string,
  publicKey: Uint8Array,
): Membership {
  for (const region of plan.regions) {
    const member = region.members.find((candidate) => candidate.holder === holder);
    if (member === undefined) continue;
    if (member.publicKey !== toBase64Url(publicKey)) {
      throw new InvalidInputError(`${holder}: the key file is not the key that the plan names; use the enrolled key`);
    }
    return { plan, planHash, member, region: region.name, regionKey: region.publicKey };
  }
  throw new InvalidInputError(`${holder} is not a member of the plan "${plan.name}"; correct the holder or the plan`);
}
