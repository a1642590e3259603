import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { natsServerConfig } from '@fedcarbon/messaging';
import { startNats, temporaryFolder, type TestNats } from '@fedcarbon/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { testFederation } from '../example-federation.support.ts';
import { brokerUsers, FederationBroker } from '../federation-broker.support.ts';
import type { FaultPoint } from '../ports.ts';
import { configure, launch, type TrainerProcess, until } from '../trainer-process.support.ts';
import { MaskingBroker } from './masking-broker.support.ts';

jest.setTimeout(60_000);

const holders = ['alder', 'birch', 'cedar'];

/* Three holders, of whom all three have to survive: alder in a process of its own that is killed, the others in another one. */
describe('kill -9 of a trainer in a secure sum, on a real broker', () => {
  const running: ChildProcess[] = [];
  let nats: TestNats;
  let broker: FederationBroker;
  let coordinator: MaskingBroker;
  let folder: ReturnType<typeof temporaryFolder>;
  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await coordinator.close();
    await broker.close();
    await nats.stop();
    folder.remove();
  });

  const begin = (config: string, fault?: `${FaultPoint}:${number}`): TrainerProcess => {
    const launched = launch(config, fault === undefined ? {} : { fault });
    running.push(launched.process);
    return launched;
  };

  it.each<[string, `${FaultPoint}:${number}`]>([
    ['its seed is on disk and its hello is not sent', 'after-masking-fact:1'],
    ['its hello is sent', 'after-masking-send:1'],
    ['the roster is on disk and its shares are not sent', 'after-masking-fact:2'],
    ['its shares are sent', 'after-masking-send:2'],
    ['the shares of the others are on disk', 'after-masking-fact:3'],
    ['its masked vector is on disk and not charged', 'after-masking-fact:4'],
    ['its masked vector is charged and not sent', 'after-committed:1'],
    ['its consent is on disk and not sent', 'after-masking-fact:5'],
    ['its consent is sent', 'after-masking-send:3'],
    ['its answer is on disk and not sent', 'after-masking-fact:6'],
    ['its answer is sent', 'after-masking-send:4'],
  ])('when %s: the round opens with all three, after one charge and one message of each kind', async (_, fault) => {
    const federation = testFederation(holders, 3, 3);
    folder = temporaryFolder('masking-crash');
    nats = await startNats({ config: natsServerConfig({ users: brokerUsers(federation), syncAlways: false }) });
    broker = await FederationBroker.connect(federation, nats.url);
    coordinator = await MaskingBroker.connect(federation, nats.url);
    const configFor = (names: readonly string[]) =>
      configure(folder.path, federation, { holders: names, brokerUrl: nats.url });
    const alder = configFor(['alder']);
    const first = begin(alder, fault);
    const others = begin(configFor(['birch', 'cedar']));
    let second: TrainerProcess | undefined;
    const output = () => [first, others, second].map((process) => process?.output() ?? '').join('\n');
    void first.ended.then(() => {
      second = begin(alder);
    });
    await until(() => coordinator.ready, output);
    await coordinator.open(1);
    await Promise.all(holders.map((holder) => broker.task(holder, 1)));
    await until(() => broker.digests().length === 3, output);
    const updates = holders.map((holder) => broker.updates.find((update) => update.holder === holder));
    await coordinator.add(
      1,
      updates.flatMap((update) => update ?? []),
    );
    await until(() => coordinator.outcomes.length > 0, output);
    expect(await first.ended).toEqual([null, 'SIGKILL']);
    expect(coordinator.outcomes).toEqual(['opened 0,1,2']);
    expect(broker.accountant.charges()).toHaveLength(3);
    const heard = [...coordinator.heard].map((text) => text.split(' ').slice(0, 2).join(' ')).sort();
    const kinds = ['answer', 'consent', 'hello', 'shares'];
    expect(heard).toEqual(holders.flatMap((holder) => kinds.map((kind) => `${holder} ${kind}`)));
  });
});
