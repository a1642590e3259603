import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { brokerUser } from '@fedcarbon/contracts';
import { natsServerConfig } from '@fedcarbon/messaging';
import { type TestNats, startNats, temporaryFolder } from '@fedcarbon/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { HolderView } from './holder-view.ts';
import type { FaultPoint } from './ports.ts';
import { brokerUsers, FederationBroker, PASSWORD } from './testing/federation-broker.ts';
import { holderFile, planText, testFederation } from './testing/federation.ts';

const holders = ['alder', 'birch', 'cedar', 'doum', 'elder'];
const federation = testFederation(holders);
const main = [
  '--conditions=source',
  '--import',
  resolve(import.meta.dirname, '../../../tools/ts.mjs'),
  resolve(import.meta.dirname, 'main.ts'),
];
const DEADLINE_MS = 20_000;
jest.setTimeout(60_000);

/** The trainer as its own process, as `npm start` runs it. */
interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  readonly url: string;
  readonly output: () => string;
  readonly complaints: () => string;
}

let nats: TestNats;
let broker: FederationBroker;
let folder: ReturnType<typeof temporaryFolder>;
const running: ChildProcess[] = [];

beforeAll(async () => {
  nats = await startNats({ config: natsServerConfig({ users: brokerUsers(federation), syncAlways: false }) });
  broker = await FederationBroker.connect(federation, nats.url);
});
afterAll(async () => {
  await broker.close();
  await nats.stop();
});
beforeEach(() => {
  folder = temporaryFolder('trainer');
  broker.updates.length = 0;
  broker.accountant.reservations.clear();
  broker.accountant.reply = (_, honest) => honest;
  broker.answers = true;
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  folder.remove();
});

function configure(names: readonly string[], port = 0): string {
  writeFileSync(join(folder.path, 'plan.json'), planText(federation.plan));
  names.forEach((holder, i) => {
    mkdirSync(join(folder.path, holder), { recursive: true });
    writeFileSync(join(folder.path, holder, 'train.csv'), holderFile(i, 30));
    writeFileSync(join(folder.path, `${holder}.pem`), federation.holderPems[holder] ?? '');
  });
  const config = {
    http: { host: '127.0.0.1', port },
    planFile: 'plan.json',
    holders: names.map((holder) => ({
      holder,
      broker: { servers: [nats.url], user: brokerUser.holder(holder), password: PASSWORD },
      keyFile: `${holder}.pem`,
      dataDir: holder,
      journalDir: `${holder}/journal`,
      cap: { epsilon: 1, delta: 1e-5 },
      acceptedPlanHashes: [federation.planHash],
    })),
  };
  const path = join(folder.path, 'trainer.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function launch(config: string, fault?: FaultPoint): Omit<Running, 'url'> {
  const child = spawn(process.execPath, [...main, '--config', config], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NODE_ENV: 'test',
      ...(fault === undefined ? {} : { FEDCARBON_FAULT: fault }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let output = '';
  let complaints = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  return { process: child, ended, output: () => output, complaints: () => complaints };
}

async function start(config: string, fault?: FaultPoint): Promise<Running> {
  const launched = launch(config, fault);
  const url = await until(() => /"url":"([^"]+)"/.exec(launched.output())?.[1], launched.complaints);
  return { ...launched, url };
}

/** The first defined and true value of `look`. */
async function until<T>(
  look: () => T | false | undefined | Promise<T | false | undefined>,
  why?: () => string,
): Promise<T> {
  for (const end = Date.now() + DEADLINE_MS; Date.now() < end; await pause(20)) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`waited in vain: ${why?.() ?? ''}`);
}

async function views(url: string): Promise<HolderView[]> {
  const response = await fetch(`${url}/v1/holders`);
  return ((await response.json()) as { holders: HolderView[] }).holders;
}

const charges = () => broker.accountant.charges().map((charge) => charge.replace('=', ' '));

describe('client-trainer as a process on a real broker', () => {
  it('takes five holders through a round, shows what left the site, stays small, and stops at once', async () => {
    const trainer = await start(configure(holders));
    expect((await fetch(`${trainer.url}/readyz`)).status).toBe(200);
    await Promise.all(holders.map((holder) => broker.task(holder, 1)));
    const answered = await until(async () => {
      const all = await views(trainer.url);
      return all.every(({ left }) => left.length === 1 && left[0]?.verdict === 'accepted') && all;
    }, trainer.output);
    expect(answered.map(({ left }) => `1/1 ${left[0]?.digest ?? ''}`).sort()).toEqual([...charges()].sort());
    await broker.task('alder', 1, { planHash: 'b'.repeat(64) });
    await until(() => broker.declines.includes('plan_not_accepted'), trainer.output);
    await broker.task('alder', 2, { bits: 9 });
    await until(async () => (await views(trainer.url))[0]?.deliveries.refused['not_in_plan'] === 1, trainer.output);
    for (const { budget, bytesSent, rounds, rejectedRows } of answered) {
      expect(budget.epsilonSpent).toBeGreaterThan(0);
      expect(budget.epsilonSpent + budget.epsilonRemaining).toBeCloseTo(1, 9);
      expect([bytesSent > 300, rounds, rejectedRows]).toEqual([true, 1, { train: {}, test: {} }]);
    }
    trainer.process.kill('SIGTERM');
    expect(await trainer.ended).toEqual([0, null]);
    expect(trainer.complaints()).toBe('');
  });

  it.each<FaultPoint>(['after-prepare', 'after-commit', 'after-committed', 'after-publish'])(
    'killed %s: the same digest is charged and sent, and no other',
    async (fault) => {
      broker.answers = false;
      const config = configure(['alder']);
      const first = await start(config, fault);
      await broker.task('alder', 1);
      expect(await first.ended).toEqual([null, 'SIGKILL']);
      broker.answers = true;
      const second = await start(config);
      await broker.task('alder', 1);
      const update = await until(() => broker.updates[0], second.output);
      await broker.receipt(update);
      await until(async () => (await views(second.url))[0]?.left[0]?.verdict === 'accepted', second.output);
      expect(broker.digests()).toHaveLength(1);
      expect(charges()).toEqual(broker.digests());
    },
  );

  it('whose journal is wiped after publishing makes a new attempt, a second charge, and never a second digest', async () => {
    broker.answers = false;
    const config = configure(['alder']);
    const first = await start(config);
    await broker.task('alder', 1);
    await until(() => broker.updates.length === 1, first.output);
    first.process.kill('SIGKILL');
    await first.ended;
    rmSync(join(folder.path, 'alder/journal'), { recursive: true });
    const second = await start(config);
    await broker.task('alder', 1);
    await until(() => broker.digests().length === 2, second.output);
    expect(charges()).toEqual(broker.digests());
    expect(broker.updates.map(({ attempt }) => attempt)).toEqual([1, 2]);
    const [view] = await views(second.url);
    expect(view?.left.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(view?.rounds).toBe(1);
  });

  it('lives through a restart of the broker', async () => {
    const trainer = await start(configure(['alder']));
    await broker.task('alder', 1);
    await until(() => broker.updates.length === 1, trainer.output);
    await nats.restart();
    await until(
      async () =>
        (await broker.task('alder', 2).then(
          () => true,
          () => false,
        )) || undefined,
    );
    await until(() => broker.digests().length === 2, trainer.output);
    expect(charges()).toEqual(broker.digests());
  });

  it.each<[string, RegExp, () => void]>([
    [
      'without its data',
      /train.csv cannot be read \(ENOENT.*\); check dataDir/,
      () => {
        rmSync(join(folder.path, 'alder/train.csv'));
      },
    ],
    [
      'with a damaged journal',
      /uci-energy.journal, line 1: the checksum does not fit; restore the file/,
      () => {
        mkdirSync(join(folder.path, 'alder/journal'));
        writeFileSync(join(folder.path, 'alder/journal/uci-energy.journal'), 'what is this\n');
      },
    ],
    [
      'with another key than the enrolled one',
      /alder: the key file is not the key that the plan names/,
      () => {
        writeFileSync(join(folder.path, 'alder.pem'), federation.holderPems['birch'] ?? '');
      },
    ],
  ])('does not start %s, and says why in one sentence', async (_, sentence, prepare) => {
    const config = configure(['alder']);
    prepare();
    const launched = launch(config);
    const [code] = await launched.ended;
    expect(code).not.toBe(0);
    expect(launched.complaints()).toMatch(sentence);
    expect(launched.complaints().trim().split('\n')).toHaveLength(1);
  });

  it('does not start on a port in use, and leaves the journal free', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const launched = launch(configure(['alder'], port));
    expect((await launched.ended)[0]).toBe(1);
    expect(launched.complaints()).toMatch(/is in use/);
    taken.close();
    await start(configure(['alder']));
  });
});
