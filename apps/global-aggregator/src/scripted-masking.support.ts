import { openMasking, type RoundOpened, type SignedBytes, signMasking, SUBJECTS } from '@fedcarbon/contracts';
import { fromBase64Url, toHex } from '@fedcarbon/kernel';
import { type BrokerConnection, type Delivery, messageBytes, publishSigned } from '@fedcarbon/messaging';
import { memberIndex, secureSumOf } from '@fedcarbon/round';
import { type ClientEvent, type ClientParty, kindOf, type MessageKind } from '@fedcarbon/secure-sum';
import { cryptoRandom, secureSumCrypto, sha256, verifySignature } from '@fedcarbon/service';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExampleFederation } from './example-federation.support.ts';

const REPEAT_MS = 1000;
const WAIT_MS = 10_000;
/** Header and round. */
const BYTES_BEFORE_SECRETS = 12;

/** The masking side of a scripted holder: a real client of the secure sum, whose facts stay in memory. */
export class ScriptedMasking {
  readonly #federation: ExampleFederation;
  readonly #holder: string;
  readonly #connection: BrokerConnection;
  readonly facts: Uint8Array[] = [];
  /** Why messages were not acted upon. */
  readonly refusals: string[] = [];
  /** Message bodies and headers, by kind: those sent and those received. */
  readonly traffic: { readonly kind: MessageKind; readonly way: 'up' | 'down'; readonly bytes: number }[] = [];
  /** Whether the holder says nothing of this kind (any more). */
  mute: (kind: MessageKind, round: number | undefined) => boolean = () => false;
  /** Whether what the holder says of this kind has wrong bytes behind its header. */
  spoil: (kind: MessageKind) => boolean = () => false;
  /** How often each message is sent. */
  copies = 1;
  #party: ClientParty;
  #round: number | undefined;
  #sent = 0;
  #joining: NodeJS.Timeout | undefined;

  constructor(federation: ExampleFederation, holder: string, connection: BrokerConnection) {
    this.#federation = federation;
    this.#holder = holder;
    this.#connection = connection;
    this.#party = this.#restored();
  }

  #restored(): ClientParty {
    const { plan, planHash } = this.#federation;
    const signer = this.#federation.signer(`holder-${this.#holder}`);
    const dependencies = { crypto: secureSumCrypto, signer, random: cryptoRandom };
    return secureSumOf(plan, planHash, sha256).client(memberIndex(plan, this.#holder), dependencies, this.facts);
  }

  get standing(): ClientParty['standing'] {
    return this.#party.standing;
  }

  /** Says hello until the roster comes. */
  async join(): Promise<void> {
    const again = () => {
      this.#step({ type: 'join' }).catch(() => undefined);
    };
    this.#joining ??= setInterval(again, REPEAT_MS);
    await this.#step({ type: 'join' });
  }

  /** Forgets everything but its facts. */
  restart(): void {
    this.#party = this.#restored();
  }

  async receive(delivery: Delivery): Promise<void> {
    const { plan, planHash } = this.#federation;
    const message = openMasking(planHash, delivery, fromBase64Url(plan.keys.global), verifySignature);
    const kind = kindOf(message);
    if (kind !== undefined) this.traffic.push({ kind, way: 'down', bytes: messageBytes(delivery.payload.length) });
    this.close();
    await this.#step({ type: 'message', message });
    if (kind === 'block' && !this.standing.excluded) await this.join();
  }

  /** The masked message of a round, once the shares have come. */
  async contribute({ index, bits }: RoundOpened, values: Int32Array): Promise<Uint8Array> {
    this.#round = index;
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const masked = await this.#step({ type: 'contribute', round: index - 1, values, bits });
      if (masked !== undefined) return masked;
      if (performance.now() > deadline) throw new Error(`${this.#holder} cannot mask: ${this.refusals.join('; ')}`);
      await pause(20);
    }
  }

  /** Sends any bytes to the coordinator. */
  async publish(signed: SignedBytes): Promise<void> {
    // The broker drops a message id that it has seen: what is repeated needs another.
    const messageId = `${this.#holder}:${toHex(sha256(signed.payload)).slice(0, 16)}:${String(this.#sent++)}`;
    await publishSigned(this.#connection, { subject: SUBJECTS.masking(this.#holder), messageId, ...signed });
  }

  close(): void {
    clearInterval(this.#joining);
  }

  async #step(event: ClientEvent): Promise<Uint8Array | undefined> {
    const { party, effects } = this.#party.step(event);
    this.#party = party;
    let masked: Uint8Array | undefined;
    const signer = this.#federation.signer(`holder-${this.#holder}`);
    for (const effect of effects) {
      if (effect.type === 'persist') this.facts.push(effect.fact);
      else if (effect.type === 'refuse') this.refusals.push(effect.reason);
      else if (effect.kind === 'masked') masked = effect.message;
      else if (!this.mute(effect.kind, this.#round)) {
        for (let copy = 0; copy < this.copies; copy++) {
          const message = this.spoil(effect.kind)
            ? effect.message.map((byte, i) => (i < BYTES_BEFORE_SECRETS ? byte : byte ^ 1))
            : effect.message;
          const signed = signMasking(this.#federation.planHash, message, signer);
          this.traffic.push({ kind: effect.kind, way: 'up', bytes: messageBytes(signed.payload.length) });
          await this.publish(signed);
        }
      }
    }
    return masked;
  }
}
