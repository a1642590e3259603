import { type ChildProcess, spawn } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerUser, CONSUMERS, HELPER, openMasking, PATTERNS, type SignedBytes, SUBJECTS } from '@fedcarbon/contracts';
import { canonicalBytes, type Json, toHex } from '@fedcarbon/kernel';
import {
  type BrokerConnection,
  connectBroker,
  type Delivery,
  ensureStreams,
  JetStreamServer,
  natsServerConfig,
  permissionsFor,
  publishSigned,
} from '@fedcarbon/messaging';
import { signerFromPem, verifySignature } from '@fedcarbon/service';
import { startNats, temporaryFolder } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { exampleRound } from './example-round.support.ts';

jest.setTimeout(90_000);

const { plan, planHash, pems, holders, request } = exampleRound();
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const loader = new URL('../../../tools/ts.mjs', import.meta.url).href;

describe('sum-helper as a process', () => {
  const folder = temporaryFolder('sum-helper');
  const cleanUps: (() => unknown)[] = [folder.remove];
  const answers: string[] = [];
  let connection: BrokerConnection;
  let helper: ReturnType<typeof start>;

  const start = (keyFile = 'helper.pem') => {
    const config = join(folder.path, `${keyFile}.json`);
    const user = brokerUser.service('sum-helper');
    writeFileSync(
      config,
      JSON.stringify({
        ...{ http: { host: '127.0.0.1', port: 0 }, planFile: 'plan.json', keyFile, sealingKeyFile: 'sealing.pem' },
        ...{ factsDir: 'facts', broker: { servers: [url], user, password: user } },
      }),
    );
    const { NODE_OPTIONS: _jests, ...env } = process.env;
    const main = join(import.meta.dirname, 'main.ts');
    const child: ChildProcess = spawn(process.execPath, ['--import', loader, main, '--config', config], { env });
    cleanUps.push(() => child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (output += String(data)));
    const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(signal ?? code);
      });
    });
    return { child, exited, output: () => output };
  };
  let url = '';
  const until = async (what: string, reached: () => boolean) => {
    const deadline = performance.now() + 30_000;
    while (!reached()) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}\n${helper.output()}`);
      await pause(20);
    }
  };
  let asked = 0;
  const ask = (signed: SignedBytes) =>
    publishSigned(connection, { subject: SUBJECTS.maskingDown(HELPER), messageId: String(asked++), ...signed });
  const refusals = () => helper.output().match(/"code":"[a-z_]+"/g) ?? [];

  beforeAll(async () => {
    const users = (['global-aggregator', 'sum-helper'] as const).map((service) => {
      const user = brokerUser.service(service);
      return { user, password: user, ...permissionsFor.service(service) };
    });
    const nats = await startNats({ config: natsServerConfig({ users, syncAlways: false }) });
    cleanUps.push(() => nats.stop());
    url = nats.url;
    const user = brokerUser.service('global-aggregator');
    connection = await connectBroker({ access: { servers: [url], user, password: user }, name: user, logger: silent });
    cleanUps.push(() => connection.close());
    await ensureStreams(connection, plan);
    const server = new JetStreamServer({
      ...{ connection, owner: 'global-aggregator', consumers: [CONSUMERS.masking()] },
      ...{ maxConcurrent: 1, nakDelayMs: 50, logger: silent },
    });
    const receive = (delivery: Delivery) => {
      answers.push(toHex(openMasking(planHash, delivery, signerFromPem(pems.helper).publicKey, verifySignature)));
      return Promise.resolve();
    };
    server.addHandler(PATTERNS.masking, receive as never, true);
    server.listen(() => undefined);
    cleanUps.push(() => server.close());
    writeFileSync(join(folder.path, 'plan.json'), canonicalBytes(plan as Json));
    writeFileSync(join(folder.path, 'helper.pem'), pems.helper);
    writeFileSync(join(folder.path, 'sealing.pem'), pems.sealing);
    helper = start();
  });
  afterAll(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  it('answers global-aggregator, and nobody else', async () => {
    await ask(request(1, undefined, holders.get('alder')));
    await ask(request(1));
    await until('an answer', () => answers.length === 1);
    expect(refusals()).toEqual(['"code":"bad_signature"']);
    const listening = /"url":"([^"]+)"/.exec(helper.output())?.[1] ?? '';
    expect((await fetch(`${listening}/readyz`)).status).toBe(200);
    expect(statSync(join(folder.path, 'facts', `${planHash.slice(0, 12)}.helper`)).mode & 0o077).toBe(0);
  });

  it('works alone: a second process with the same facts, or with another key, does not start', async () => {
    expect(await start().exited).toBe(1);
    writeFileSync(join(folder.path, 'sealing-as-key.pem'), pems.sealing);
    const wrong = start('sealing-as-key.pem');
    expect(await wrong.exited).toBe(2);
    expect(wrong.output()).toMatch(/a key of type x25519 instead of Ed25519/);
  });

  it('refuses a second set of survivors after kill -9 as well, and goes on with the next round', async () => {
    helper.child.kill('SIGKILL');
    await helper.exited;
    helper = start();
    await ask(request(1, ['alder', 'birch', 'cedar']));
    await ask(request(1));
    await ask(request(2));
    await until('the answer of round 2', () => answers.length >= 2);
    expect(refusals()).toEqual(['"code":"helper_refused"']);
    // That of round 1 is the one that was given before, which the broker has already.
    expect([answers.length, new Set(answers).size]).toEqual([2, 2]);
    helper.child.kill('SIGTERM');
    expect(await helper.exited).toBe(0);
  });
});
