import { CONSUMERS, PATTERNS, STREAMS, SUBJECTS } from '@fedcarbon/contracts';
import { fromUtf8, InvalidInputError, utf8 } from '@fedcarbon/kernel';
import { type TestNats, startNats } from '@fedcarbon/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import {
  type BrokerConnection,
  type Delivery,
  JetStreamServer,
  brokerStatus,
  connectBroker,
  ensureStreams,
  consumersOf,
  keepStreams,
  natsServerConfig,
  publishSigned,
} from './index.ts';
import { ACK_WAIT_MS } from './streams.ts';

jest.setTimeout(20_000);
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const operator = { user: 'operator', password: 'p', publish: ['>'], subscribe: ['>'] };
const federation = {
  regions: [
    { name: 'north', members: [{ holder: 'alder' }, { holder: 'birch' }] },
    { name: 'south', members: [{ holder: 'cedar' }] },
  ],
};
const SIGNATURE = new Uint8Array(64).fill(7);

describe('JetStreamServer on a real broker', () => {
  let nats: TestNats;
  let connection: BrokerConnection;
  const servers: JetStreamServer[] = [];

  beforeAll(async () => {
    nats = await startNats({ config: natsServerConfig({ users: [operator], syncAlways: true }) });
    connection = await connect();
    await ensureStreams(connection, federation);
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
  afterAll(async () => {
    await connection.close();
    await nats.stop();
  });

  const connect = () =>
    connectBroker({
      access: { servers: [nats.url], user: operator.user, password: operator.password },
      name: 'test',
      logger: silent,
    });
  const serve = (
    owner: string,
    handler: (delivery: Delivery) => unknown,
    options: { pattern?: string; maxConcurrent?: number; closeLimitMs?: number } = {},
  ) => {
    const server = new JetStreamServer({
      connection,
      owner,
      consumers: [CONSUMERS.holder(owner)],
      maxConcurrent: options.maxConcurrent ?? 4,
      nakDelayMs: 20,
      logger: silent,
      closeLimitMs: options.closeLimitMs ?? 5000,
    });
    server.addHandler(
      options.pattern ?? PATTERNS.task,
      (delivery: Delivery) => Promise.resolve(handler(delivery) as never),
      true,
    );
    server.listen(() => undefined);
    servers.push(server);
    return server;
  };
  let ids = 0;
  const send = (holder: string, text: string) =>
    publishSigned(connection, {
      subject: SUBJECTS.task(holder),
      payload: utf8(text),
      signature: SIGNATURE,
      messageId: `message-${String(ids++)}`,
    });

  it('keeps each owner to its own messages when several run in one process', async () => {
    const seen: string[] = [];
    const handler = ({ owner, subject, payload, signature, deliveryCount }: Delivery) => {
      expect(signature).toEqual(SIGNATURE);
      seen.push(`${owner} ${subject} ${fromUtf8(payload)} ${String(deliveryCount)}`);
    };
    serve('alder', handler);
    serve('cedar', handler);
    await Promise.all([send('alder', 'a'), send('cedar', 'c')]);
    await until(() => seen.length >= 2);
    expect(seen.sort()).toEqual(['alder fc.v1.down.alder.task a 1', 'cedar fc.v1.down.cedar.task c 1']);
  });

  it('repeats a message whose handler threw, and ends it when the handler has dealt with it', async () => {
    const counts: number[] = [];
    const server = serve('alder', ({ deliveryCount }) => {
      counts.push(deliveryCount);
      if (deliveryCount < 3) throw new Error('the database is away');
    });
    await send('alder', 'again');
    await until(() => server.counts.handled === 1);
    expect(counts).toEqual([1, 2, 3]);
    expect(server.counts).toEqual({ handled: 1, retried: 2, refused: {} });
    await until(async () => (await consumerInfo('alder')).num_ack_pending === 0);
  });

  it('ends a message that can never be right, counts it and goes on', async () => {
    let calls = 0;
    const server = serve('alder', ({ payload }) => {
      calls++;
      if (fromUtf8(payload) === 'poison') throw new InvalidInputError('task v1: not JSON', { code: 'bad_shape' });
    });
    await send('alder', 'poison');
    await send('alder', 'good');
    await connection.request('fc.v1.down.alder.other', 'no handler for this subject');
    await until(() => server.counts.handled === 1 && server.counts.refused['unknown_subject'] === 1);
    await until(async () => (await consumerInfo('alder')).num_ack_pending === 0);
    expect(calls).toBe(2);
    expect(server.counts).toEqual({ handled: 1, retried: 0, refused: { bad_shape: 1, unknown_subject: 1 } });
  });

  it('runs no more handlers at once than allowed, and with one keeps the order', async () => {
    let now = 0;
    let most = 0;
    const order: string[] = [];
    serve(
      'birch',
      async ({ payload }) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        order.push(fromUtf8(payload));
        now--;
      },
      { maxConcurrent: 1 },
    );
    const texts = Array.from({ length: 12 }, (_, i) => String(i));
    for (const text of texts) await send('birch', text);
    await until(() => order.length >= 12);
    expect(most).toBe(1);
    expect(order).toEqual(texts);
  });

  it('waits for a consumer that does not exist yet and for one that was deleted', async () => {
    const manager = await jetstreamManager(connection);
    const { stream, durable } = CONSUMERS.holder('cedar');
    await manager.consumers.delete(stream, durable);
    const seen = new Set<string>();
    serve('cedar', ({ payload }) => seen.add(fromUtf8(payload)));
    await send('cedar', 'before it exists');
    await ensureStreams(connection, federation);
    await until(() => seen.has('before it exists'));

    await manager.consumers.delete(stream, durable);
    await ensureStreams(connection, federation);
    await send('cedar', 'after it was deleted');
    await until(() => seen.has('after it was deleted'));
  });

  it('finishes running handlers when it is closed, and leaves the rest to the next one', async () => {
    const finished: string[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let started = 0;
    const handler = async ({ payload }: Delivery) => {
      started++;
      await gate;
      finished.push(fromUtf8(payload));
    };
    const first = serve('birch', handler, { maxConcurrent: 1 });
    await send('birch', 'running');
    await send('birch', 'waiting');
    await until(() => started === 1);
    const closed = first.close();
    release();
    await closed;
    expect(finished).toEqual(['running']);
    serve('birch', handler, { maxConcurrent: 1 });
    await until(() => finished.length >= 2);
    expect(finished).toEqual(['running', 'waiting']);
  });

  it('gives up waiting for a handler at the limit, and hands its message to the next reader', async () => {
    await until(async () => (await consumerInfo('cedar')).num_ack_pending === 0);
    let calls = 0;
    const never = new Promise(() => undefined);
    const stuck = serve('cedar', () => (calls++, never), { closeLimitMs: 50 });
    await send('cedar', 'stuck');
    await until(() => calls === 1);
    await stuck.close();
    const again: number[] = [];
    serve('cedar', ({ deliveryCount }) => again.push(deliveryCount));
    await until(() => again.length > 0);
    expect(again).toEqual([2]);
  });

  it('keeps a message for a handler that takes longer than the acknowledgement time', async () => {
    let calls = 0;
    const server = serve('alder', async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, ACK_WAIT_MS + 1000));
    });
    await send('alder', 'slow');
    await until(() => server.counts.handled === 1);
    expect(calls).toBe(1);
  });

  it('loses nothing when the broker is killed while messages flow, for handlers that remember what they did', async () => {
    const done = new Set<string>();
    serve('alder', async ({ payload }) => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      done.add(fromUtf8(payload));
    });
    const stopKeeping = keepStreams(connection, federation, silent);
    const texts = Array.from({ length: 120 }, (_, i) => `k${String(i)}`);
    const sending = (async () => {
      for (const text of texts) {
        // As an outbox does: until the broker has it.
        for (;;) {
          try {
            await send('alder', text);
            break;
          } catch {
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }
      }
    })();
    await until(() => done.size > 20);
    await nats.kill9();
    await until(() => brokerStatus(connection) !== true);
    await nats.restart();
    await sending;
    await until(() => texts.every((text) => done.has(text)));
    expect(brokerStatus(connection)).toBe(true);
    await until(async () => {
      const { num_pending, num_ack_pending } = await consumerInfo('alder');
      return num_pending === 0 && num_ack_pending === 0;
    });
    stopKeeping();
  });

  it('makes the streams again when the broker comes back without them', async () => {
    const manager = await jetstreamManager(connection);
    const seen = new Set<string>();
    serve('birch', ({ payload }) => seen.add(fromUtf8(payload)));
    const deleteStreams = async () => {
      for (const { name } of Object.values(STREAMS)) await manager.streams.delete(name);
    };
    await deleteStreams();
    const stopKeeping = keepStreams(connection, federation, silent);
    // It makes them at once, whatever was there; the loss comes when it has done so.
    await until(async () => {
      const all = consumersOf(federation).map(({ stream, durable }) => manager.consumers.info(stream, durable));
      return (await Promise.allSettled(all)).every(({ status }) => status === 'fulfilled');
    });
    await deleteStreams();
    await expect(send('birch', 'nowhere to go')).rejects.toThrow(/nobody listens there yet/);
    await connection.reconnect();
    await until(async () => {
      try {
        await send('birch', 'after the loss');
        return true;
      } catch {
        return false;
      }
    });
    await until(() => seen.has('after the loss'));
    stopKeeping();
  });

  const consumerInfo = async (holder: string) => {
    const { stream, durable } = CONSUMERS.holder(holder);
    return (await jetstreamManager(connection)).consumers.info(stream, durable);
  };
});

/** Waits until `condition` holds; a test that waits in vain fails at jest's time limit. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
