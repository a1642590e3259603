import 'reflect-metadata';
import { CONSUMERS, PATTERNS, SUBJECTS } from '@fedcarbon/contracts';
import { fromUtf8, InvalidInputError, utf8 } from '@fedcarbon/kernel';
import { type TestNats, startNats } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Catch, Controller, type ExceptionFilter, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { throwError } from 'rxjs';
import {
  type BrokerConnection,
  type Delivery,
  JETSTREAM,
  JetStreamServer,
  REQUEST_REPLY,
  RequestServer,
  type SignedRequest,
  connectBroker,
  ensureStreams,
  natsServerConfig,
  publishSigned,
  requestSigned,
} from './index.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const operator = { user: 'operator', password: 'p', publish: ['>'], subscribe: ['>'] };
const signature = new Uint8Array(64);
const seen: string[] = [];

@Controller()
class TestConsumer {
  @EventPattern(PATTERNS.roundOpened, JETSTREAM)
  async onRound(@Payload() delivery: Delivery) {
    await Promise.resolve();
    const text = fromUtf8(delivery.payload);
    seen.push(`${delivery.owner} ${text} ${String(delivery.deliveryCount)}`);
    if (text === 'poison') throw new InvalidInputError('not a round');
    if (text === 'flaky' && delivery.deliveryCount === 1) throw new Error('the database is away');
  }

  @MessagePattern(PATTERNS.accountant('reserve'), REQUEST_REPLY)
  onReserve(@Payload() request: SignedRequest) {
    const text = fromUtf8(request.payload);
    if (text === 'bad') throw new InvalidInputError('no such plan', { code: 'unknown_plan' });
    if (text === 'broken') throw new Error('password=hunter2');
    return { kind: 'granted', for: request.subject };
  }
}

@Module({ controllers: [TestConsumer] })
class TestModule {}

/** What @fedcarbon/service does for every app. */
@Catch()
class Rethrow implements ExceptionFilter {
  catch(error: unknown) {
    return throwError(() => error);
  }
}

describe('both transports in a Nest application', () => {
  let nats: TestNats;
  let app: INestApplication;
  let connection: BrokerConnection;
  const servers: JetStreamServer[] = [];

  beforeAll(async () => {
    nats = await startNats({ config: natsServerConfig({ users: [operator], syncAlways: false }) });
    const access = { servers: [nats.url], user: operator.user, password: operator.password };
    connection = await connectBroker({ access, name: 'test', logger: silent });
    await ensureStreams(connection, { regions: ['north', 'south'].map((name) => ({ name, members: [] })) });
    app = await NestFactory.create(TestModule, { logger: false });
    app.useGlobalFilters(new Rethrow());
    for (const owner of ['north', 'south']) {
      const consumers = [CONSUMERS.regionRounds(owner)];
      servers.push(
        new JetStreamServer({ connection, owner, consumers, maxConcurrent: 1, nakDelayMs: 10, logger: silent }),
      );
    }
    for (const strategy of servers) app.connectMicroservice({ strategy }, { inheritAppConfig: true });
    const requests = new RequestServer({ connection, owner: 'accountant', logger: silent });
    app.connectMicroservice({ strategy: requests }, { inheritAppConfig: true });
    await app.startAllMicroservices();
  });
  afterAll(async () => {
    await app.close();
    await connection.close();
    await nats.stop();
  });

  it('hands each delivery to the one handler of its pattern, once for each owner, and acts on the class of its errors', async () => {
    for (const text of ['good', 'poison', 'flaky']) {
      await publishSigned(connection, {
        subject: SUBJECTS.roundOpened,
        payload: utf8(text),
        signature,
        messageId: text,
      });
    }
    while (servers.some((server) => server.counts.handled < 2)) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const { counts } of servers) expect(counts).toEqual({ handled: 2, retried: 1, refused: { invalid_input: 1 } });
    for (const owner of ['north', 'south']) {
      expect(seen.filter((line) => line.startsWith(owner))).toEqual([
        `${owner} good 1`,
        `${owner} poison 1`,
        `${owner} flaky 1`,
        `${owner} flaky 2`,
      ]);
    }
  });

  it.each([
    ['fine', { kind: 'granted', for: 'fc.v1.accountant.alder.reserve' }],
    ['bad', { kind: 'error', code: 'unknown_plan', message: 'no such plan' }],
    ['broken', { kind: 'error', code: 'internal', message: 'the service failed; ask again' }],
  ])('answers the request %j', async (text, expected) => {
    const subject = SUBJECTS.accountant('alder', 'reserve');
    const reply = await requestSigned(connection, subject, { payload: utf8(text), signature }, 2000);
    expect(JSON.parse(fromUtf8(reply))).toEqual(expected);
  });
});
