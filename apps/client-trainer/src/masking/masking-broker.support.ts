import { brokerUser, CONSUMERS, openMasking, PATTERNS, signMasking, SUBJECTS, type Update } from '@fedcarbon/contracts';
import { fromBase64Url, toHex } from '@fedcarbon/kernel';
import {
  type BrokerConnection,
  connectBroker,
  type Delivery,
  JetStreamServer,
  publishSigned,
} from '@fedcarbon/messaging';
import { maskingBlock, memberIndex, membersInOrder, roundShape, secureSumOf, sumShape } from '@fedcarbon/round';
import { addMasked, type CoordinatorEffect, type CoordinatorEvent, kindOf, type Party } from '@fedcarbon/secure-sum';
import { secureSumCrypto, sha256, verifySignature } from '@fedcarbon/service';
import type { TestFederation } from '../example-federation.support.ts';
import { PASSWORD } from '../federation-broker.support.ts';
import { silent } from '../site.support.ts';

/** A coordinator in memory on a real broker, in the global-aggregator's place and with its rights. */
export class MaskingBroker {
  readonly outcomes: string[] = [];
  /** Different messages that came, as `<holder> <kind> <start of its digest>`. */
  readonly heard = new Set<string>();
  #ready = false;
  #party: Party<CoordinatorEvent, CoordinatorEffect>;
  readonly #federation: TestFederation;
  readonly #connection: BrokerConnection;
  readonly #server: JetStreamServer;

  private constructor(federation: TestFederation, connection: BrokerConnection) {
    const { plan, planHash, keys } = federation;
    this.#federation = federation;
    this.#connection = connection;
    const dependencies = { crypto: secureSumCrypto, signer: keys.global };
    this.#party = secureSumOf(plan, planHash, sha256).coordinator(dependencies);
    this.#server = new JetStreamServer({
      ...{ connection, owner: 'global-aggregator', consumers: [CONSUMERS.masking()] },
      ...{ maxConcurrent: 1, nakDelayMs: 50, logger: silent },
    });
    this.#server.addHandler(PATTERNS.masking, (delivery: Delivery) => this.#receive(delivery) as never, true);
    this.#server.listen(() => undefined);
  }

  static async connect(federation: TestFederation, url: string): Promise<MaskingBroker> {
    const user = brokerUser.service('global-aggregator');
    const access = { servers: [url], user, password: PASSWORD };
    return new MaskingBroker(federation, await connectBroker({ access, name: user, logger: silent }));
  }

  /** The block is set up. */
  get ready(): boolean {
    return this.#ready;
  }

  async open(index: number): Promise<void> {
    const { length, bits } = roundShape(this.#federation.plan, 'model');
    await this.#step({ type: 'open', round: index - 1, length, bits });
  }

  /** Adds the updates up, as the region does. */
  async add(index: number, updates: readonly Update[]): Promise<void> {
    const { plan, planHash } = this.#federation;
    const masked = updates.map(({ holder, payload }) => [memberIndex(plan, holder), fromBase64Url(payload)] as const);
    const block = maskingBlock(plan, planHash, sha256);
    const message = addMasked(block, 0, sumShape(plan, { index, purpose: 'model' }), new Map(masked));
    await this.#step({ type: 'partial', message });
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#connection.close();
  }

  async #receive({ subject, payload, signature }: Delivery): Promise<void> {
    const { plan, planHash } = this.#federation;
    const holder = subject.split('.')[3] ?? '';
    const from = memberIndex(plan, holder);
    const key = fromBase64Url(membersInOrder(plan)[from]?.publicKey ?? '');
    const message = openMasking(planHash, { payload, signature }, key, verifySignature);
    this.heard.add(`${holder} ${kindOf(message) ?? ''} ${toHex(sha256(message)).slice(0, 16)}`);
    await this.#step({ type: 'message', from, message });
  }

  async #step(event: CoordinatorEvent): Promise<void> {
    const { plan, planHash, keys } = this.#federation;
    const { party, effects } = this.#party.step(event);
    this.#party = party;
    for (const effect of effects) {
      if (effect.type === 'ready') this.#ready = true;
      else if (effect.type === 'opened') this.outcomes.push(`opened ${effect.survivors.join()}`);
      else if (effect.type === 'abandoned' || effect.type === 'failed') this.outcomes.push(effect.reason);
      if (effect.type !== 'send' || effect.to === 'helper') continue;
      for (const to of effect.to) {
        const { holder } = membersInOrder(plan)[to] ?? { holder: '' };
        const signed = signMasking(planHash, effect.message, keys.global);
        const messageId = `${holder}:${toHex(sha256(signed.payload))}`;
        await publishSigned(this.#connection, { subject: SUBJECTS.maskingDown(holder), messageId, ...signed });
      }
    }
  }
}
