import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  brokerUser,
  CommitReply,
  HistoryReply,
  inboxPrefix,
  ReserveReply,
  type SignedBytes,
  SUBJECTS,
} from '@fedcarbon/contracts';
import { concatBytes, utf8 } from '@fedcarbon/kernel';
import { natsServerConfig, permissionsFor } from '@fedcarbon/messaging';
import { PlanRepository } from '@fedcarbon/persistence';
import { migratedDatabase } from '@fedcarbon/persistence/testing';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ExampleFederation } from './example-federation.support.ts';

const event = { kind: 'discreteGaussian', sigmaSquared: 128, sensitivitySquared: 2, steps: 1 } as const;
const HOLDER = 'holder-01';
const user = (name: string, rights: { publish: readonly string[]; subscribe: readonly string[] }) => ({
  user: name,
  password: `${name}-password`,
  ...rights,
});

describe('privacy-accountant as a process', () => {
  let postgres: TestPostgres;
  let nats: TestNats;
  let service: ChildProcess;
  let url: string;
  let output = '';
  let holder: NatsConnection;
  const cleanUps: (() => unknown)[] = [];
  const federation = new ExampleFederation({ clients: 2, budget: { epsilon: 1, delta: 1e-5 }, event });

  beforeAll(async () => {
    const accountantUser = user(brokerUser.service('privacy-accountant'), permissionsFor.service('privacy-accountant'));
    const holderUser = user(brokerUser.holder(HOLDER), permissionsFor.holder(HOLDER, 'north'));
    const config = natsServerConfig({
      users: [accountantUser, holderUser],
      syncAlways: false,
    });
    postgres = await startPostgres();
    cleanUps.push(() => postgres.stop());
    nats = await startNats({ config });
    cleanUps.push(() => nats.stop());
    const db = await migratedDatabase(await postgres.createDatabase());
    cleanUps.push(() => db.close());
    await db.owner.transaction((session) => new PlanRepository(session).open(federation.newPlan(1)));

    const folder = mkdtempSync(join(tmpdir(), 'accountant-'));
    cleanUps.push(() => {
      rmSync(folder, { recursive: true });
    });
    writeFileSync(join(folder, 'key.pem'), federation.accountantPem, { mode: 0o600 });
    const settings = {
      http: { host: '127.0.0.1', port: 0 },
      logLevel: 'info',
      keyFile: 'key.pem',
      databaseUrl: await db.loginUrl('fc_accountant'),
      broker: { servers: [nats.url], user: accountantUser.user, password: accountantUser.password },
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(settings), { mode: 0o600 });
    const root = join(import.meta.dirname, '../../..');
    const main = join(root, 'apps/privacy-accountant/src/main.ts');
    const loader = ['--conditions=source', '--import', join(root, 'tools/ts.mjs')];
    service = spawn(process.execPath, [...loader, main, '--config', join(folder, 'config.json')], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    cleanUps.push(() => service.exitCode ?? service.kill('SIGKILL'));
    url = await new Promise<string>((resolve, reject) => {
      const read = (data: Buffer) => {
        output += data.toString();
        const listening = /"url":"([^"]+)"/.exec(output);
        if (listening?.[1] !== undefined) resolve(listening[1]);
      };
      service.stdout?.on('data', read);
      service.stderr?.on('data', read);
      service.once('exit', () => {
        reject(new Error(`privacy-accountant did not start: ${output}`));
      });
    });
    holder = await connect({
      servers: nats.url,
      user: holderUser.user,
      pass: holderUser.password,
      inboxPrefix: inboxPrefix(holderUser.user),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    cleanUps.push(() => holder.close());
  }, 60_000);
  afterAll(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const ask = async (subject: string, { payload, signature }: SignedBytes): Promise<unknown> => {
    return (await holder.request(subject, concatBytes(signature, payload), { timeout: 20_000 })).json();
  };
  const reserve = async (round: number) =>
    ReserveReply.parse(await ask(SUBJECTS.accountant(HOLDER, 'reserve'), federation.reserve(HOLDER, round)));

  it('answers reserve, commit and history with what the contract says', async () => {
    const granted = await reserve(1);
    expect(granted).toMatchObject({ kind: 'granted', budget: { epsilon: 1, delta: 1e-5 } });
    expect(await reserve(1)).toEqual(granted);
    const commit = async (bytes: string) =>
      CommitReply.parse(await ask(SUBJECTS.accountant(HOLDER, 'commit'), federation.commit(HOLDER, 1, 1, bytes)));
    const committed = await commit('x');
    expect(committed).toMatchObject({ kind: 'committed', commit: { statement: { holder: HOLDER, event } } });
    expect(await commit('x')).toEqual(committed);
    expect(await commit('y')).toEqual({ kind: 'refused', reason: 'digest_conflict' });
    expect(await reserve(1)).toEqual(committed);
    const history = HistoryReply.parse(await ask(SUBJECTS.accountant(HOLDER, 'history'), federation.history(HOLDER)));
    expect(history).toMatchObject({
      kind: 'history',
      history: { statement: { charges: [{ status: 'committed', attempt: 1 }] } },
    });
  });

  it('answers what it cannot accept with a code', async () => {
    const subject = SUBJECTS.accountant(HOLDER, 'reserve');
    const garbage = { payload: utf8('garbage'), signature: new Uint8Array() };
    expect(await ask(subject, garbage)).toMatchObject({ kind: 'error', code: 'invalid_input' });
    expect(await ask(subject, federation.reserve('holder-02', 1))).toMatchObject({
      kind: 'error',
      code: 'other_holder',
    });
    const unsigned = { ...federation.reserve(HOLDER, 2), signature: new Uint8Array(64) };
    expect(await ask(subject, unsigned)).toMatchObject({ kind: 'error', code: 'bad_signature' });
  });

  it('says that the database or the broker is away, and goes on by itself afterwards', async () => {
    const ready = async () => (await fetch(`${url}/readyz`)).status;
    expect(await ready()).toBe(200);
    await postgres.kill9();
    // Backends live on for a moment after their postmaster.
    while ((await ready()) === 200) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await ready()).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await reserve(2)).toMatchObject({ kind: 'error', code: 'database_unavailable' });
    await postgres.restart();
    while ((await ready()) !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await reserve(2)).kind).toBe('granted');

    await nats.restart();
    let answer: ReserveReply | undefined;
    while (answer === undefined) answer = await reserve(2).catch(() => undefined);
    expect(answer.kind).toBe('granted');
  }, 60_000);

  it('stops gracefully on SIGTERM and has logged no secret', async () => {
    service.kill('SIGTERM');
    const [code] = (await once(service, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(output).not.toMatch(/password|PRIVATE KEY|postgresql:\/\/[^\s]*:[^*@\s]+@/);
  }, 30_000);
});
