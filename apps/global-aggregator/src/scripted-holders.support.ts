import { encodeIntegers } from '@fedcarbon/codec';
import {
  brokerUser,
  COMMIT_V1,
  type CommitStatement,
  CONSUMERS,
  DECLINE_V1,
  type Decline,
  type PlanMember,
  PATTERNS,
  readAbridged,
  readStatement,
  RECEIPT_V1,
  type Receipt,
  ROUND_OPENED_V1,
  type RoundOpened,
  signAbridged,
  type SignedBytes,
  signStatement,
  SUBJECTS,
  UPDATE_V1,
  type Update,
} from '@fedcarbon/contracts';
import { toBase64Url, toHex } from '@fedcarbon/kernel';
import { entryBytes } from '@fedcarbon/ledger';
import {
  type BrokerConnection,
  connectBroker,
  type Delivery,
  JetStreamServer,
  messageIdOf,
  publishSigned,
} from '@fedcarbon/messaging';
import { createDatabase, type Database, PrivacyRepository } from '@fedcarbon/persistence';
import { roundContext } from '@fedcarbon/round';
import { sha256, systemClock } from '@fedcarbon/service';
import type { ExampleFederation } from './example-federation.support.ts';
import { ScriptedMasking } from './scripted-masking.support.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Charges without looking at any budget, through the accountant's own tables and its ledger entry. */
export class ScriptedAccountant {
  readonly #federation: ExampleFederation;
  readonly #database: Database;
  readonly #record: PrivacyRepository;

  constructor(federation: ExampleFederation, ownerUrl: string) {
    this.#federation = federation;
    this.#database = createDatabase({ url: federation.databaseUrl(ownerUrl, 'fc_accountant'), poolSize: 4 });
    this.#record = new PrivacyRepository(this.#database.sql);
  }

  /** The signature under the commit of one release, base64url. */
  async charge(statement: CommitStatement): Promise<string> {
    const { event, updateDigest, ...key } = statement;
    const nowMs = systemClock.nowMs();
    const { privacy } = this.#federation.plan;
    await this.#record.reserve(key, event, privacy, nowMs, () => ({ kind: 'grant', expiresAtMs: nowMs + 60_000 }));
    const reservation = await this.#record.find(key);
    if (reservation === undefined) throw new Error('the reservation is gone');
    const signed = signStatement(COMMIT_V1, statement, this.#federation.signer('accountant'));
    await this.#record.charge(
      reservation,
      { updateDigest, statement: signed.payload, signature: signed.signature },
      entryBytes({ kind: 'privacy.committed', ...statement }),
      nowMs,
    );
    return toBase64Url(signed.signature);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** What a scripted holder does with a task. The default charges and answers at once. */
export type Script = (holder: ScriptedHolder, task: RoundOpened) => Promise<void>;

const answerAtOnce: Script = async (holder, task) => holder.send(await holder.update(task));

/** A holder that follows a script instead of training: real keys, broker user, subjects and charges. */
export class ScriptedHolder {
  readonly member: PlanMember & { readonly region: string };
  /** What came of all receipts, in order of arrival. */
  readonly receipts: Pick<Receipt, 'roundId' | 'attempt' | 'verdict' | 'reason'>[] = [];
  readonly tasks: RoundOpened[] = [];
  script: Script = answerAtOnce;
  /** Under trust `distributed`. */
  readonly masking: ScriptedMasking | undefined;
  readonly #federation: ExampleFederation;
  readonly #accountant: ScriptedAccountant;
  readonly #connection: BrokerConnection;
  readonly #server: JetStreamServer;

  private constructor(
    federation: ExampleFederation,
    accountant: ScriptedAccountant,
    member: ScriptedHolder['member'],
    connection: BrokerConnection,
  ) {
    this.#federation = federation;
    this.#accountant = accountant;
    this.member = member;
    this.#connection = connection;
    const { holder } = member;
    this.#server = new JetStreamServer({
      connection,
      owner: holder,
      consumers: [CONSUMERS.holder(holder)],
      maxConcurrent: 4,
      nakDelayMs: 100,
      logger: silent,
    });
    this.#on(PATTERNS.task, async (delivery) => {
      const { plan, planHash } = federation;
      const task = readAbridged(ROUND_OPENED_V1, delivery.payload, roundContext(plan, planHash));
      this.tasks.push(task);
      await this.script(this, task);
    });
    this.#on(PATTERNS.receipt, (delivery) => {
      this.receipts.push(readStatement({ ...RECEIPT_V1, schema: RECEIPT_V1.sent }, delivery.payload));
      return Promise.resolve();
    });
    if (federation.plan.privacy.trust === 'distributed') {
      this.masking = new ScriptedMasking(federation, holder, connection);
      const { masking } = this;
      this.#on(PATTERNS.maskingDown, (delivery) => masking.receive(delivery));
    }
    this.#server.listen(() => undefined);
  }

  #on(pattern: string, handler: (delivery: Delivery) => Promise<void>): void {
    this.#server.addHandler(pattern, handler as never, true);
  }

  /** Connects every member of a federation. */
  static async connectAll(
    federation: ExampleFederation,
    brokerUrl: string,
    accountant: ScriptedAccountant,
  ): Promise<ScriptedHolder[]> {
    return Promise.all(
      federation.members.map(async (member) => {
        const access = federation.access(brokerUrl, brokerUser.holder(member.holder));
        const connection = await connectBroker({ access, name: member.holder, logger: silent });
        return new ScriptedHolder(federation, accountant, member, connection);
      }),
    );
  }

  /** What an honest holder might send, packed or masked. */
  async payload(task: RoundOpened, attempt = 1): Promise<Uint8Array> {
    const values = scriptedValues(task, attempt);
    return this.masking?.contribute(task, values) ?? encodeIntegers(values, task.bits);
  }

  /** A charged update. */
  async update(task: RoundOpened, attempt = 1, given?: Uint8Array): Promise<Update> {
    const payload = given ?? (await this.payload(task, attempt));
    const { planHash, roundId, event } = task;
    const { holder, dataset } = this.member;
    const updateDigest = toHex(sha256(payload));
    const charge = { holder, dataset, planHash, roundId, attempt, event, updateDigest };
    const commitSignature = await this.#accountant.charge(charge);
    return { planHash, roundId, holder, attempt, payload: toBase64Url(payload), commitSignature };
  }

  sign(update: Update): SignedBytes {
    return signAbridged(UPDATE_V1, update, this.#federation.signer(`holder-${this.member.holder}`));
  }

  async send(update: Update, messageId?: string): Promise<void> {
    await this.sendBytes(this.sign(update), messageId);
  }

  /** Publishes any bytes where this holder's updates go. */
  async sendBytes(signed: SignedBytes, messageId = messageIdOf(sha256, signed)): Promise<void> {
    const { holder, region } = this.member;
    await publishSigned(this.#connection, { subject: SUBJECTS.update(region, holder), messageId, ...signed });
  }

  async decline({ planHash, roundId }: RoundOpened, reason: Decline['reason']): Promise<void> {
    const { holder, region } = this.member;
    const signed = signAbridged(
      DECLINE_V1,
      { planHash, roundId, holder, reason },
      this.#federation.signer(`holder-${holder}`),
    );
    const messageId = messageIdOf(sha256, signed);
    await publishSigned(this.#connection, { subject: SUBJECTS.decline(region, holder), messageId, ...signed });
  }

  async close(): Promise<void> {
    this.masking?.close();
    await this.#server.close();
    await this.#connection.close();
  }
}

/** The integers of every scripted holder. */
export function scriptedValues({ length, index }: Pick<RoundOpened, 'length' | 'index'>, attempt = 1): Int32Array {
  return Int32Array.from({ length }, (_, i) => ((i * 37 + attempt * 11 + index * 5) % 41) - 20);
}
