import { openMasking, signMasking, type SignedBytes, SUBJECTS } from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type RandomSource, type Sha256, type Signer } from '@fedcarbon/kernel';
import type { VerifySignature } from '@fedcarbon/kernel';
import { messageIdOf } from '@fedcarbon/messaging';
import { memberIndex, secureSumOf } from '@fedcarbon/round';
import {
  type ClientEffect,
  type ClientEvent,
  type ClientParty,
  kindOf,
  type SecureSumCrypto,
} from '@fedcarbon/secure-sum';
import { type FactFile, SerialQueue } from '@fedcarbon/service';
import type { Journal } from '../journal/journal.ts';
import { releasedIndices } from '../journal/state.ts';
import type { FaultPoint, HolderLink, Log } from '../ports.ts';
import type { Membership } from '../trainer.ts';

export interface MaskingParts {
  readonly membership: Pick<Membership, 'plan' | 'planHash' | 'member'>;
  readonly journal: Journal;
  /** `openMaskingJournal`. */
  readonly facts: FactFile;
  readonly link: HolderLink;
  readonly signer: Signer;
  readonly verify: VerifySignature;
  readonly sha256: Sha256;
  readonly crypto: SecureSumCrypto;
  /** A CSPRNG: the seeds of all masks of the block are read from it. */
  readonly random: RandomSource;
  readonly log: Log;
  readonly faultPoint: (point: FaultPoint) => void;
}

type Send = Extract<ClientEffect, { type: 'send' }>;

/**
 * A holder as a party of its plan's secure sum. It carries out what the party asks for, in order: a fact is on disk before anything that follows from it
 * leaves, so that after a crash the holder repeats itself and never says anything else. Masked vectors leave as updates, once they are charged.
 *
 * A holder that has lost its facts, or finds older ones than its journal tells of, could contradict itself; it takes no part in the block any more, but
 * may in a later one, for rounds that it has released nothing in.
 */
export class MaskingHost {
  readonly #parts: MaskingParts;
  readonly #queue = new SerialQueue();
  #party: ClientParty;
  #repeats = 0;

  constructor(parts: MaskingParts) {
    const { membership, sha256, crypto, signer, random, facts } = parts;
    const { plan, planHash, member } = membership;
    this.#parts = parts;
    const sum = secureSumOf(plan, planHash, sha256);
    this.#party = sum.client(memberIndex(plan, member.holder), { crypto, signer, random }, facts.facts);
  }

  /** The block is set up: vectors can be masked. */
  get ready(): boolean {
    return this.#party.standing.ready;
  }

  /** The block that the holder is in. */
  get block(): number {
    return this.#party.standing.block;
  }

  /** Why the holder takes no part in the block any more, if so. */
  get out(): string | undefined {
    const { journal, membership, facts } = this.#parts;
    const { planHash } = membership;
    const { block, firstRound, excluded, begun, masked } = this.#party.standing;
    if (excluded) return 'the global-aggregator has excluded this holder: what it dealt or sealed did not open';
    const joined = journal.state.joined.get(planHash) ?? 0;
    if (joined > block || (joined === block && !begun)) {
      return `the masking facts ${facts.path} are lost; the holder takes no further part in block ${String(joined)} of the plan`;
    }
    const forgotten = releasedIndices(journal.state, planHash).find(
      (index) => index > firstRound && masked(index - 1) === undefined,
    );
    return forgotten === undefined
      ? undefined
      : `the masking facts ${facts.path} do not know round ${String(forgotten)}: they are older than the journal; the holder takes no further part in block ${String(block)} of the plan`;
  }

  /** Says (again) what the set-up of the block waits for from this holder, if anything. Throws what the link throws. */
  announce(): Promise<void> {
    return this.#queue.run(async () => {
      if (this.ready || this.out !== undefined) return;
      await this.#step({ type: this.#party.standing.begun ? 'resume' : 'join' }, String(this.#repeats++));
    });
  }

  /** After a restart: sends again what may not have arrived. Throws what the link throws. */
  resume(): Promise<void> {
    return this.#queue.run(async () => {
      if (this.ready && this.out === undefined) await this.#step({ type: 'resume' });
    });
  }

  /** Takes a message of the coordinator. Throws InvalidInputError for one that is not the coordinator's, or that the party refuses. */
  onMessage(signed: SignedBytes): Promise<void> {
    return this.#queue.run(async () => {
      const { membership, verify, log } = this.#parts;
      const { plan, planHash } = membership;
      const message = openMasking(planHash, signed, fromBase64Url(plan.keys.global), verify);
      const { out, block } = this;
      if (out !== undefined && kindOf(message) !== 'block') throw new InvalidInputError(out, { code: 'masking_out' });
      await this.#step({ type: 'message', message });
      if (this.out !== undefined && this.out !== out) log.error({}, this.out);
      if (this.block === block) return;
      log.info({ block: this.block }, 'another block of the secure sum begins');
      if (this.out === undefined) await this.#step({ type: 'join' });
    });
  }

  /**
   * The masked message of a round, counted from 0. `values`, noise included, is called at most once a round, whatever happens: the message is on disk before
   * anybody sees it, and later calls return it again. Throws InvalidInputError when the party cannot mask.
   */
  contribute(round: number, bits: number, values: () => Int32Array): Promise<Uint8Array> {
    return this.#queue.run(async () => {
      const known = this.#party.standing.masked(round);
      if (known !== undefined) return known;
      await this.#step({ type: 'contribute', round, bits, values: values() });
      const masked = this.#party.standing.masked(round);
      if (masked === undefined) throw new InvalidInputError(`round ${String(round)} was not masked`);
      return masked;
    });
  }

  async #step(event: ClientEvent, repetition?: string): Promise<void> {
    const { facts, faultPoint, journal, membership } = this.#parts;
    const { party, effects } = this.#party.step(event);
    for (const effect of effects) {
      if (effect.type !== 'persist') continue;
      await facts.append(effect.fact);
      faultPoint('after-masking-fact');
    }
    this.#party = party;
    for (const effect of effects) {
      if (effect.type !== 'send' || effect.kind === 'masked') continue;
      const { planHash } = membership;
      const { block } = this;
      if (journal.state.joined.get(planHash) !== block) await journal.append({ kind: 'joined', planHash, block });
      await this.#send(effect, repetition);
      faultPoint('after-masking-send');
    }
    const refused = effects.find((effect) => effect.type === 'refuse');
    if (refused !== undefined) throw new InvalidInputError(refused.reason, { code: 'masking_refused' });
  }

  /** The same message of a holder has the same id, so that the broker stores it once; a repetition that is meant to arrive again has another. */
  async #send({ kind, message }: Send, repetition?: string): Promise<void> {
    const { membership, link, signer, sha256, log } = this.#parts;
    const { planHash, member } = membership;
    const signed = signMasking(planHash, message, signer);
    await link.publish(SUBJECTS.masking(member.holder), signed, messageIdOf(sha256, signed, repetition));
    log.debug({ kind, bytes: signed.payload.length }, 'masking message sent');
  }
}
