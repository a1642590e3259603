import { PATTERNS, type PositionRequest } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import type { Delivery } from '@fedcarbon/messaging';
import { createAccountant } from '@fedcarbon/privacy';
import { healthModule, ProblemError } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { AppModule, DeliveriesConsumer, HoldersController } from './app.module.ts';
import type { Holder } from './holder.ts';
import { JournalUnwritableError } from '@fedcarbon/service';

const delivery = (owner: string): Delivery => ({
  ...{ owner, subject: PATTERNS.task, deliveryCount: 1, sequence: 1 },
  ...{ payload: new Uint8Array(), signature: new Uint8Array() },
});
const holder = (name: string, onTask: () => Promise<void>) => ({ name, trainer: { onTask } }) as unknown as Holder;

async function compile(holders: readonly Holder[], fail: (error: JournalUnwritableError) => void = () => undefined) {
  const health = healthModule({ ready: () => Promise.resolve({}) });
  return Test.createTestingModule({
    imports: [AppModule.with({ holders, epsilons: createAccountant(), health, fail })],
  }).compile();
}

describe('the module', () => {
  it('compiles, and hands a delivery to the holder whose consumer brought it', async () => {
    const seen: string[] = [];
    const named = (name: string) => holder(name, () => Promise.resolve(void seen.push(name)));
    const module = await compile([named('alder'), named('birch')]);
    await module.get(DeliveriesConsumer).onTask(delivery('birch'));
    expect(seen).toEqual(['birch']);
  });

  it('ends the process when the journal cannot be written', async () => {
    const failures: string[] = [];
    const full = holder('alder', () => Promise.reject(new JournalUnwritableError('the disk is full')));
    const module = await compile([full], (error) => failures.push(error.message));
    await expect(module.get(DeliveriesConsumer).onTask(delivery('alder'))).rejects.toThrow('the disk is full');
    expect(failures).toEqual(['the disk is full']);
  });

  it('shows the holders to callers on the same machine only', async () => {
    const controller = (await compile([])).get(HoldersController);
    const from = (remoteAddress: string, host: string) => () =>
      controller.holders({ socket: { remoteAddress }, headers: { host } });
    for (const local of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      for (const host of ['127.0.0.1:8090', 'localhost', '[::1]:8090']) {
        expect(from(local, host)()).toEqual({ holders: [] });
      }
      // A name that somebody else has resolve to this machine.
      for (const host of ['127.0.0.1.example.org', 'localhost.example.org:8090', 'example.org', '']) {
        expect(from(local, host)).toThrow(ProblemError);
      }
    }
    for (const remote of ['10.0.0.1', '::ffff:10.0.0.127', '']) {
      expect(from(remote, 'localhost')).toThrow(ProblemError);
    }
  });
});

describe('a question about a building', () => {
  const onDevice = { position: (request: PositionRequest) => ({ asked: request }) };
  const ask = async (name: string, body: unknown, remoteAddress = '127.0.0.1') => {
    const module = await compile([{ name: 'alder', onDevice } as unknown as Holder]);
    return module
      .get(HoldersController)
      .position(name, body, { socket: { remoteAddress }, headers: { host: '127.0.0.1' } });
  };

  it('goes to the model of the holder that it names', async () => {
    const request = { attributes: { country: 'FR' }, intensity: 11 };
    expect(await ask('alder', request)).toEqual({ asked: request });
    await expect(ask('birch', request)).rejects.toThrow(/no holder "birch" here/);
  });

  it('is for callers on the same machine only, and for what the contract says', async () => {
    await expect(ask('alder', { attributes: {} }, '10.0.0.1')).rejects.toThrow(/callers on the same machine/);
    await expect(ask('alder', undefined)).rejects.toThrow(InvalidInputError);
    await expect(ask('alder', { attributes: {}, kgCo2ePerM2: 11 })).rejects.toThrow(/kgCo2ePerM2/);
  });
});
