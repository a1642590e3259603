import { CONSUMERS, HELPER, SUBJECTS, brokerUser } from '@fedcarbon/contracts';
import { fromUtf8, utf8 } from '@fedcarbon/kernel';
import { type TestNats, startNats } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import {
  BrokerAccessError,
  type BrokerConnection,
  RequestServer,
  connectBroker,
  ensureStreams,
  natsServerConfig,
  permissionsFor,
  publishSigned,
  requestSigned,
} from './index.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const federation = {
  regions: [
    { name: 'north', members: [{ holder: 'alder' }, { holder: 'birch' }] },
    { name: 'south', members: [{ holder: 'cedar' }] },
  ],
};
const rights = {
  [brokerUser.service('global-aggregator')]: permissionsFor.service('global-aggregator'),
  [brokerUser.service('privacy-accountant')]: permissionsFor.service('privacy-accountant'),
  [brokerUser.service('benchmark-api')]: permissionsFor.service('benchmark-api'),
  [brokerUser.service('sum-helper')]: permissionsFor.service('sum-helper'),
  [brokerUser.region('north')]: permissionsFor.region('north', ['alder', 'birch']),
  [brokerUser.region('south')]: permissionsFor.region('south', ['cedar']),
  [brokerUser.holder('alder')]: permissionsFor.holder('alder', 'north'),
  [brokerUser.holder('birch')]: permissionsFor.holder('birch', 'north'),
  [brokerUser.holder('cedar')]: permissionsFor.holder('cedar', 'south'),
};
const users = Object.keys(rights);

/** Who may publish to a subject, from architecture.md: nobody but the listed users. */
const writers: Record<string, string[]> = {
  [SUBJECTS.roundOpened]: ['service-global-aggregator'],
  [SUBJECTS.roundClosed]: ['service-global-aggregator'],
  [SUBJECTS.task('alder')]: ['region-north'],
  [SUBJECTS.receipt('alder')]: ['region-north'],
  [SUBJECTS.task('cedar')]: ['region-south'],
  [SUBJECTS.update('north', 'alder')]: ['holder-alder'],
  [SUBJECTS.update('south', 'alder')]: [],
  [SUBJECTS.decline('north', 'birch')]: ['holder-birch'],
  [SUBJECTS.regionalReport('north')]: ['region-north'],
  [SUBJECTS.masking('alder')]: ['holder-alder'],
  [SUBJECTS.maskingDown('alder')]: ['service-global-aggregator'],
  [SUBJECTS.maskingDownToAll]: ['service-global-aggregator'],
  [SUBJECTS.masking(HELPER)]: ['service-sum-helper'],
  [SUBJECTS.maskingDown(HELPER)]: ['service-global-aggregator'],
  [SUBJECTS.accountant('alder', 'reserve')]: ['holder-alder'],
  [SUBJECTS.accountant('cedar', 'commit')]: ['holder-cedar'],
  '$JS.API.STREAM.DELETE.FC_UP': [],
  '$JS.API.STREAM.PURGE.FC_UP': [],
  '$JS.API.STREAM.MSG.GET.FC_UP': [],
  '$JS.API.DIRECT.GET.FC_UP': [],
  '$JS.API.STREAM.CREATE.EVIL': [],
  '$JS.API.CONSUMER.DELETE.FC_DOWN.holder-alder': [],
  '$JS.API.CONSUMER.CREATE.FC_DOWN.spy': ['service-global-aggregator'],
  '$JS.API.CONSUMER.MSG.NEXT.FC_DOWN.holder-alder': ['holder-alder'],
  '$JS.API.CONSUMER.MSG.NEXT.FC_DOWN.sum-helper': ['service-sum-helper'],
  '$JS.API.CONSUMER.MSG.NEXT.FC_UP.region-north': ['region-north'],
  '$JS.API.CONSUMER.MSG.NEXT.FC_ROUND.region-south': ['region-south'],
  '$JS.API.CONSUMER.MSG.NEXT.FC_REGIONAL.global-aggregator': ['service-global-aggregator'],
  '$JS.API.CONSUMER.MSG.NEXT.FC_MASKING.global-aggregator': ['service-global-aggregator'],
  '$JS.ACK.FC_DOWN.holder-alder.1.1.1.1.0': ['holder-alder'],
  '_INBOX_holder-alder.forged': [],
  elsewhere: [],
};
/** Who may subscribe; reading streams goes through consumers only. */
const listeners: Record<string, string[]> = {
  '>': [],
  'fc.v1.>': [],
  'fc.v1.down.alder.>': [],
  'fc.v1.up.north.alder.update': [],
  [SUBJECTS.roundClosed]: ['service-benchmark-api'],
  'fc.v1.accountant.*.*': ['service-privacy-accountant'],
  '_INBOX_holder-alder.>': ['holder-alder'],
  '_INBOX_region-north.>': ['region-north'],
  '_INBOX.>': [],
  '$JS.EVENT.ADVISORY.>': [],
};

describe('broker permissions', () => {
  let nats: TestNats;
  const connections: Record<string, BrokerConnection> = {};
  const as = (user: string) => connections[user]!;

  beforeAll(async () => {
    const config = natsServerConfig({
      users: users.map((user) => ({ user, password: `of "${user}" $X`, ...rights[user]! })),
      syncAlways: false,
    });
    nats = await startNats({ config });
    for (const user of users) {
      connections[user] = await connectBroker({
        access: { servers: [nats.url], user, password: `of "${user}" $X` },
        name: user,
        logger: silent,
      });
    }
    await ensureStreams(as('service-global-aggregator'), federation);
  });
  afterAll(async () => {
    await Promise.all(Object.values(connections).map((connection) => connection.close()));
    await nats.stop();
  });

  /** The subjects that the broker forbade while `act` ran. */
  const forbidden = async (
    user: string,
    act: (connection: BrokerConnection) => (() => void) | undefined,
  ): Promise<string[]> => {
    const connection = as(user);
    const found: string[] = [];
    const statuses = connection.status();
    const watching = (async () => {
      for await (const status of statuses) {
        if (status.type === 'error' && 'operation' in status.error && 'subject' in status.error) {
          found.push(String(status.error.subject));
        }
      }
    })();
    const undo = act(connection);
    await connection.flush();
    undo?.();
    (statuses as unknown as { stop(): void }).stop();
    await watching;
    return found;
  };

  it.each(users)('lets %s publish to its own subjects only', async (user) => {
    const refused = await forbidden(user, (connection) => {
      for (const subject of Object.keys(writers)) connection.publish(subject, 'x');
      return undefined;
    });
    const expected = Object.keys(writers).filter((subject) => !writers[subject]!.includes(user));
    expect(refused.sort()).toEqual(expected.sort());
  });

  it.each(users)('lets %s subscribe to its own subjects only', async (user) => {
    const refused = await forbidden(user, (connection) => {
      const subscriptions = Object.keys(listeners).map((subject) =>
        connection.subscribe(subject, { callback: () => undefined }),
      );
      return () => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      };
    });
    const expected = Object.keys(listeners).filter((subject) => !listeners[subject]!.includes(user));
    expect(refused.sort()).toEqual(expected.sort());
  });

  it('refuses the anonymous, the unknown and a wrong password', async () => {
    await expect(connect({ servers: nats.url, reconnect: false })).rejects.toThrow(/authorization/i);
    for (const access of [
      { user: 'nobody', password: 'x' },
      { user: 'holder-alder', password: 'of "holder-birch" $X' },
    ]) {
      await expect(
        connectBroker({ access: { servers: [nats.url], ...access }, name: 'x', logger: silent }),
      ).rejects.toThrow(BrokerAccessError);
    }
  });

  it('gives the rights that the flow needs: task down, update up, report, and a request with its answer', async () => {
    const signature = new Uint8Array(64).fill(1);
    const send = (user: string, subject: string) =>
      publishSigned(as(user), { subject, payload: utf8(subject), signature, messageId: `flow ${subject}` });
    await send('service-global-aggregator', SUBJECTS.roundOpened);
    await send('region-south', SUBJECTS.task('cedar'));
    await send('holder-cedar', SUBJECTS.update('south', 'cedar'));
    await send('region-south', SUBJECTS.regionalReport('south'));
    await expect(send('holder-cedar', SUBJECTS.update('south', 'cedar'))).resolves.toEqual({ duplicate: true });

    const accountant = new RequestServer({
      connection: as('service-privacy-accountant'),
      owner: 'privacy-accountant',
      logger: silent,
    });
    accountant.addHandler(SUBJECTS.accountant('*', 'reserve'), ({ subject, payload }) =>
      Promise.resolve({ kind: 'granted', asked: `${subject} ${fromUtf8(payload)}` } as never),
    );
    await new Promise((resolve) => {
      accountant.listen(resolve);
    });
    const reply = await requestSigned(
      as('holder-cedar'),
      SUBJECTS.accountant('cedar', 'reserve'),
      { payload: utf8('please'), signature },
      2000,
    );
    expect(JSON.parse(fromUtf8(reply))).toEqual({ kind: 'granted', asked: 'fc.v1.accountant.cedar.reserve please' });
    await accountant.close();
  });

  it('says in one sentence that a user has no right to a subject', async () => {
    await expect(
      publishSigned(as('holder-birch'), {
        subject: SUBJECTS.update('north', 'alder'),
        payload: utf8('x'),
        signature: new Uint8Array(64),
        messageId: 'forged',
      }),
    ).rejects.toThrow(/publishing to fc\.v1\.up\.north\.alder\.update: .*right/);
  });

  it('names a durable consumer for every reader', () => {
    // The rights above end at these names, so a rename must come with a migration of the consumers.
    expect([CONSUMERS.holder('alder').durable, CONSUMERS.regionUpdates('north').durable]).toEqual([
      'holder-alder',
      'region-north',
    ]);
  });
});
