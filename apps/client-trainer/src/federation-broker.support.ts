import {
  type AccountantCall,
  brokerUser,
  CONSUMERS,
  PATTERNS,
  readAbridged,
  type RoundOpened,
  SUBJECTS,
  UPDATE_V1,
  type Update,
} from '@fedcarbon/contracts';
import {
  type BrokerConnection,
  type BrokerUser,
  connectBroker,
  type Delivery,
  ensureStreams,
  JetStreamServer,
  permissionsFor,
  publishSigned,
  RequestServer,
  type SignedRequest,
} from '@fedcarbon/messaging';
import { FakeAccountant } from './fake-accountant.support.ts';
import type { TestFederation } from './example-federation.support.ts';
import { digestOf, silent } from './site.support.ts';

export const PASSWORD = 'only-for-tests';

/** Broker users of a test federation, each with the rights that it has in a deployment. */
export function brokerUsers({ plan }: TestFederation): BrokerUser[] {
  const holders = plan.regions.flatMap(({ members }) => members.map(({ holder }) => holder));
  const user = (name: string, rights: Omit<BrokerUser, 'user' | 'password'>) => ({
    user: name,
    password: PASSWORD,
    ...rights,
  });
  return [
    user(brokerUser.service('global-aggregator'), permissionsFor.service('global-aggregator')),
    user(brokerUser.service('privacy-accountant'), permissionsFor.service('privacy-accountant')),
    user(brokerUser.region('north'), permissionsFor.region('north', holders)),
    ...holders.map((holder) => user(brokerUser.holder(holder), permissionsFor.holder(holder, 'north'))),
  ];
}

/** The other side of a trainer, on a real broker: a fake accountant, and a region that collects updates and answers them when told to. */
export class FederationBroker {
  readonly accountant: FakeAccountant;
  readonly updates: Update[] = [];
  readonly declines: string[] = [];
  /** Whether the region sends receipts. */
  answers = true;
  readonly #federation: TestFederation;
  readonly #connections: BrokerConnection[] = [];
  readonly #servers: { close(): Promise<void> }[] = [];
  #region!: BrokerConnection;
  #messages = 0;

  private constructor(federation: TestFederation) {
    this.#federation = federation;
    this.accountant = new FakeAccountant(federation);
  }

  static async connect(federation: TestFederation, url: string): Promise<FederationBroker> {
    const broker = new FederationBroker(federation);
    const connect = async (user: string) => {
      const access = { servers: [url], user, password: PASSWORD };
      const connection = await connectBroker({ access, name: user, logger: silent });
      broker.#connections.push(connection);
      return connection;
    };
    await ensureStreams(await connect(brokerUser.service('global-aggregator')), federation.plan);
    broker.#region = await connect(brokerUser.region('north'));
    broker.#serveAccountant(await connect(brokerUser.service('privacy-accountant')));
    broker.#serveRegion();
    return broker;
  }

  /** Forwards the opening of a round; each call is a message of its own, so that repeating one delivers a task twice. */
  async task(holder: string, index: number, changes: Partial<RoundOpened> = {}): Promise<void> {
    const messageId = `task:${String(index)}:${holder}:${String(++this.#messages)}`;
    await publishSigned(this.#region, {
      subject: SUBJECTS.task(holder),
      messageId,
      ...this.#federation.open(index, changes),
    });
  }

  /** `<round>/<attempt> <digest>` of the updates that came, without repetitions. */
  digests(): string[] {
    const texts = this.updates.map(
      (update) => `${update.roundId.split('-')[1] ?? ''}/${String(update.attempt)} ${digestOf(update)}`,
    );
    return [...new Set(texts)];
  }

  async receipt(update: Update): Promise<void> {
    const { holder, roundId, attempt } = update;
    const updateDigest = digestOf(update);
    const receipt = this.#federation.receipt({ holder, roundId, attempt, updateDigest, verdict: 'accepted' });
    await publishSigned(this.#region, {
      subject: SUBJECTS.receipt(holder),
      messageId: `receipt:${updateDigest}`,
      ...receipt,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  #serveAccountant(connection: BrokerConnection): void {
    const server = new RequestServer({ connection, owner: 'privacy-accountant', logger: silent });
    for (const call of ['reserve', 'commit', 'history'] satisfies AccountantCall[]) {
      server.addHandler(PATTERNS.accountant(call), (request: SignedRequest) =>
        Promise.resolve(this.accountant.answer(call, request.subject.split('.')[3] ?? '', request) as never),
      );
    }
    server.listen(() => undefined);
    this.#servers.push(server);
  }

  #serveRegion(): void {
    const server = new JetStreamServer({
      ...{ connection: this.#region, owner: 'north', consumers: [CONSUMERS.regionUpdates('north')] },
      ...{ maxConcurrent: 8, nakDelayMs: 50, logger: silent },
    });
    const handle = (pattern: string, handler: (delivery: Delivery) => Promise<void>) => {
      server.addHandler(pattern, (delivery: Delivery) => handler(delivery) as never, true);
    };
    handle(PATTERNS.update, async (delivery) => {
      const holder = delivery.subject.split('.')[4] ?? '';
      const { planHash } = this.#federation;
      const update = readAbridged(UPDATE_V1, delivery.payload, () => ({ planHash, holder }));
      this.updates.push(update);
      if (this.answers) await this.receipt(update);
    });
    handle(PATTERNS.decline, ({ payload }) => {
      this.declines.push((JSON.parse(Buffer.from(payload).toString()) as { reason: string }).reason);
      return Promise.resolve();
    });
    server.listen(() => undefined);
    this.#servers.push(server);
  }
}
