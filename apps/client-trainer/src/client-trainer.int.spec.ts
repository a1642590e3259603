import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { abridgedBytes, UPDATE_V1 } from '@fedcarbon/contracts';
import { toBase64Url } from '@fedcarbon/kernel';
import { messageBytes, natsServerConfig } from '@fedcarbon/messaging';
import { modelLength } from '@fedcarbon/round';
import { type TestNats, startNats, temporaryFolder } from '@fedcarbon/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { HolderView } from './holder-view.ts';
import type { HolderPosition } from './on-device/position.ts';
import type { FaultPoint } from './ports.ts';
import { brokerUsers, FederationBroker } from './federation-broker.support.ts';
import { exampleBuilding, testFederation } from './example-federation.support.ts';
import { configure, launch, listening, type TrainerProcess, until } from './trainer-process.support.ts';

const holders = ['alder', 'birch', 'cedar', 'doum', 'elder'];
const federation = testFederation(holders);
jest.setTimeout(60_000);

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

const configureHolders = (names: readonly string[], port?: number) =>
  configure(folder.path, federation, { holders: names, brokerUrl: nats.url, ...(port === undefined ? {} : { port }) });

function begin(config: string, fault?: FaultPoint): TrainerProcess {
  const launched = launch(config, fault === undefined ? {} : { fault });
  running.push(launched.process);
  return launched;
}

async function start(config: string, fault?: FaultPoint): Promise<TrainerProcess & { readonly url: string }> {
  const launched = begin(config, fault);
  return { ...launched, url: await listening(launched) };
}

async function views(url: string): Promise<HolderView[]> {
  const response = await fetch(`${url}/v1/holders`);
  return ((await response.json()) as { holders: HolderView[] }).holders;
}

const charges = () => broker.accountant.charges().map((charge) => charge.replace('=', ' '));

describe('client-trainer as a process on a real broker', () => {
  it('takes five holders through a round, shows what left the site, stays small, and stops at once', async () => {
    const config = configureHolders(holders);
    const file = join(folder.path, 'alder/train.csv');
    const [, row] = readFileSync(file, 'utf8').trimEnd().split('\n');
    appendFileSync(file, `${row ?? ''}\n`);
    const trainer = await start(config);
    expect((await fetch(`${trainer.url}/readyz`)).status).toBe(200);
    await Promise.all(holders.map((holder) => broker.task(holder, 1)));
    const answered = await until(async () => {
      const all = await views(trainer.url);
      return all.every(({ left }) => left.length === 1 && left[0]?.verdict === 'accepted') && all;
    }, trainer.output);
    expect(answered.map(({ left }) => `1/1 ${left[0]?.digest ?? ''}`).sort()).toEqual([...charges()].sort());
    const refused = async () => (await views(trainer.url))[0]?.deliveries.refused;
    await broker.task('alder', 1, { planHash: 'b'.repeat(64) });
    await until(async () => (await refused())?.['bad_signature'] === 1, trainer.output);
    await broker.task('alder', 2, { weights: '' });
    await until(() => broker.declines.includes('not_trainable'), trainer.output);
    await until(async () => (await refused())?.['not_in_plan'] === 1, trainer.output);
    for (const { holder, budget, bytesSent, rounds, rejectedRows } of answered) {
      expect(budget.epsilonSpent).toBeGreaterThan(0);
      expect(budget.epsilonSpent + budget.epsilonRemaining).toBeCloseTo(1, 9);
      const train = holder === 'alder' ? { duplicate_id: 1 } : {};
      const update = broker.updates.find((sent) => sent.holder === holder);
      expect(bytesSent).toBe(messageBytes(abridgedBytes(UPDATE_V1, update!).length));
      expect([rounds, rejectedRows]).toEqual([1, { train, test: {} }]);
    }
    // The log, which others may read, tells that rows were rejected but not how many.
    expect(trainer.output().match(/.*rows were rejected.*/g)).toEqual([expect.stringContaining('"holder":"alder"')]);
    expect(trainer.output()).not.toContain('duplicate_id');
    trainer.process.kill('SIGTERM');
    expect(await trainer.ended).toEqual([0, null]);
    expect(trainer.complaints()).toBe('');
  });

  it('answers its holder from a model of its own, also after a restart, and sends nothing of it', async () => {
    const config = configureHolders(['alder']);
    const weights = toBase64Url(new Uint8Array(8 * modelLength(federation.plan)));
    const question = async (url: string) => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ attributes: exampleBuilding, intensity: 20 });
      const response = await fetch(`${url}/v1/holders/alder/position`, { method: 'POST', headers, body });
      return { status: response.status, answer: (await response.json()) as HolderPosition };
    };
    const trainer = await start(config);
    expect(await question(trainer.url)).toMatchObject({
      status: 503,
      answer: { type: 'urn:fedcarbon:problem:no_model' },
    });
    await broker.task('alder', 6, { purpose: 'benchmarks', weights });
    const answerOf = ({ url, output }: Awaited<ReturnType<typeof start>>) =>
      until(async () => {
        const { status, answer } = await question(url);
        return status === 200 && answer.onDevice !== null && answer;
      }, output);
    const answer = await answerOf(trainer);
    const { yRange } = federation.plan.recipe;
    expect(answer.federation.predictedIntensity).toBe((yRange[0] + yRange[1]) / 2);
    expect(answer).toMatchObject({ note: null, onDevice: { version: 1, records: 30, used: true } });
    expect(answer.predictedIntensity).not.toBe(answer.federation.predictedIntensity);
    await until(() => broker.updates.length === 1, trainer.output);
    trainer.process.kill('SIGKILL');
    await trainer.ended;

    const again = await start(config);
    expect(await answerOf(again)).toEqual(answer);
    const model = readFileSync(join(folder.path, 'alder/journal/uci-energy.residual'), 'utf8');
    const outside = [trainer.output(), again.output(), JSON.stringify(broker.updates)].join('\n');
    for (const secret of [answer.onDevice?.digest ?? '', String(answer.predictedIntensity), model.slice(65, 200)]) {
      expect(outside).not.toContain(secret);
    }
    expect(trainer.complaints() + again.complaints()).toBe('');
  });

  it.each<FaultPoint>(['after-prepare', 'after-commit', 'after-committed', 'after-publish'])(
    'killed %s: the same digest is charged and sent, and no other',
    async (fault) => {
      broker.answers = false;
      const config = configureHolders(['alder']);
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
    const config = configureHolders(['alder']);
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
    const trainer = await start(configureHolders(['alder']));
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
      /uci-energy.journal, line 1: the checksum does not fit; delete the file/,
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
    const config = configureHolders(['alder']);
    prepare();
    const launched = begin(config);
    const [code] = await launched.ended;
    expect(code).not.toBe(0);
    expect(launched.complaints()).toMatch(sentence);
    expect(launched.complaints().trim().split('\n')).toHaveLength(1);
  });

  it('does not start on a port in use, and leaves the journal free', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const launched = begin(configureHolders(['alder'], port));
    expect((await launched.ended)[0]).toBe(1);
    expect(launched.complaints()).toMatch(/is in use/);
    taken.close();
    await start(configureHolders(['alder']));
  });
});
