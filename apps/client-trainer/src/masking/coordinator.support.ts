import { fromBase64Url, InvalidInputError } from '@fedcarbon/kernel';
import { type MechanismEvent, openMasking, signMasking } from '@fedcarbon/contracts';
import { type Residues, toSigned } from '@fedcarbon/codec';
import { maskingBlock, membersInOrder, roundShape, secureSumOf, sumShape } from '@fedcarbon/round';
import {
  addMasked,
  type Block,
  blockFrom,
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorParty,
  type HelperEffect,
  type HelperEvent,
  type Party,
} from '@fedcarbon/secure-sum';
import { secureSumCrypto, sha256, verifySignature } from '@fedcarbon/service';
import type { TestFederation } from '../example-federation.support.ts';
import { PlayedCrash, type Site } from '../site.support.ts';

type Purpose = 'model' | 'benchmarks';
type Outcome = Extract<CoordinatorEffect, { type: 'opened' | 'abandoned' | 'failed' }>;

/** The other side of several sites' secure sum, in memory: coordinator and region. It redelivers to a site that crashes, once it runs again. */
export class TestCoordinator {
  readonly outcomes: Outcome[] = [];
  /** Codes of refusals, as `<holder> <code>`. */
  readonly refusals: string[] = [];
  crashes = 0;
  /** Replaces a message to a site, or drops it. */
  deliver: (holder: string, message: Uint8Array) => Uint8Array | undefined = (_, message) => message;
  /** Replaces a message of a site. */
  hear: (holder: string, message: Uint8Array) => Uint8Array = (_, message) => message;
  party: CoordinatorParty;
  /** The second server, where the plan has one. */
  helper: Party<HelperEvent, HelperEffect> | undefined;
  readonly #sealedBytes: number;
  readonly #federation: TestFederation;
  readonly #sites: ReadonlyMap<string, Site>;
  readonly #holders: readonly string[];
  readonly #read = new Map<string, number>();
  readonly #down: { readonly holder: string; readonly message: Uint8Array }[] = [];
  readonly #masked = new Map<number, Uint8Array>();
  #event: MechanismEvent;

  constructor(federation: TestFederation, sites: ReadonlyMap<string, Site>) {
    const { plan, planHash, keys } = federation;
    this.#federation = federation;
    this.#sites = sites;
    this.#event = plan.recipe.event;
    this.#holders = membersInOrder(plan).map(({ holder }) => holder);
    const dependencies = { crypto: secureSumCrypto, signer: keys.global };
    const sum = secureSumOf(plan, planHash, sha256);
    this.#sealedBytes = sum.sealedBytes;
    this.party = sum.coordinator(dependencies);
  }

  /** The block that the coordinator is in; who is excluded does not matter to those who only add. */
  get block(): Block {
    const { plan, planHash } = this.#federation;
    const first = maskingBlock(plan, planHash, sha256);
    return blockFrom(first, { ...first, number: this.party.standing.block }, sha256);
  }

  /** Everybody says hello, and the block is set up. */
  async setUp(): Promise<void> {
    for (const site of this.#sites.values()) await this.#surviving(site, () => site.masking?.announce());
    await this.settle();
  }

  /** Takes every site through a round; `absent` ones get no task. */
  async round(index: number, purpose: Purpose = 'model', absent: readonly string[] = []): Promise<Outcome | undefined> {
    const { plan } = this.#federation;
    const { event, length, bits } = roundShape(plan, purpose);
    this.#event = event;
    this.step({ type: 'open', round: index - 1, length, bits });
    const { block } = this.party.standing;
    const task = this.#federation.open(index, { purpose, ...(block > 1 ? { block } : {}) });
    for (const [holder, site] of this.#sites) {
      if (!absent.includes(holder)) await this.#surviving(site, () => site.trainer.onTask(task));
    }
    this.#masked.clear();
    await this.settle();
    const message = addMasked(this.block, this.#sealedBytes, sumShape(plan, { index, purpose }), this.#masked);
    this.step({ type: 'partial', message });
    this.step({ type: 'deadline', phase: 'masked', round: index - 1 });
    await this.settle();
    return this.outcomes.at(-1);
  }

  /** Signed integers of the last opened sum. */
  sum(bits: number): number[] {
    const last = this.outcomes.at(-1) as { readonly sum?: Residues } | undefined;
    return [...toSigned(last?.sum ?? new Uint32Array(), bits)];
  }

  step(event: CoordinatorEvent): void {
    const { party, effects } = this.party.step(event);
    this.party = party;
    for (const effect of effects) {
      if (effect.type === 'send') this.#send(effect);
      else if (effect.type === 'refuse') this.refusals.push(`coordinator: ${effect.reason}`);
      else if (effect.type !== 'persist' && effect.type !== 'ready') this.outcomes.push(effect);
    }
  }

  #send({ to, message }: Extract<CoordinatorEffect, { type: 'send' }>): void {
    if (to !== 'helper') {
      for (const member of to) this.#down.push({ holder: this.#holders[member] ?? '', message });
      return;
    }
    for (const effect of this.helper?.step({ type: 'message', message }).effects ?? []) {
      if (effect.type === 'send') this.step({ type: 'helper', message: effect.message });
    }
  }

  /** Carries messages to and fro until nothing moves. */
  async settle(): Promise<void> {
    for (;;) {
      this.#collect();
      const next = this.#down.shift();
      if (next === undefined) return;
      const site = this.#sites.get(next.holder);
      const message = this.deliver(next.holder, next.message);
      if (site === undefined || message === undefined) continue;
      const { planHash, keys } = this.#federation;
      await this.#surviving(site, () => site.masking?.onMessage(signMasking(planHash, message, keys.global)));
    }
  }

  #collect(): void {
    const { plan, planHash } = this.#federation;
    for (const [holder, site] of this.#sites) {
      const from = this.#holders.indexOf(holder);
      const key = fromBase64Url(membersInOrder(plan)[from]?.publicKey ?? '');
      const fresh = site.sent.slice(this.#read.get(holder) ?? 0);
      this.#read.set(holder, site.sent.length);
      for (const sent of fresh) {
        if (sent.subject === `fc.v1.masking.${holder}`) {
          const message = openMasking(planHash, sent, key, verifySignature);
          this.step({ type: 'message', from, message: this.hear(holder, message) });
        }
      }
      const update = fresh.some(({ subject }) => subject.endsWith('.update')) ? site.updates().at(-1) : undefined;
      if (update === undefined) continue;
      if (!site.isCharged(update, this.#event)) throw new Error('not the charged bytes');
      this.#masked.set(from, fromBase64Url(update.payload));
    }
  }

  /** As the broker does: what a site did not get to the end of comes again, unless it is refused for good. */
  async #surviving(site: Site, work: () => Promise<void> | undefined): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (error instanceof InvalidInputError) {
          this.refusals.push(`${site.trainer.membership.member.holder} ${error.code}`);
          return;
        }
        if (!(error instanceof PlayedCrash)) throw error;
        this.crashes++;
        await site.restart();
      }
    }
  }
}
