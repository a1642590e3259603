import { signMasking } from '@fedcarbon/contracts';
import { kindOf, type MessageKind } from '@fedcarbon/secure-sum';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { testFederation } from '../example-federation.support.ts';
import { FakeAccountant } from '../fake-accountant.support.ts';
import type { FaultPoint } from '../ports.ts';
import { closeSites, openSites, type Site } from '../site.support.ts';
import { TestCoordinator } from './coordinator.support.ts';

jest.setTimeout(60_000);

const holders = ['alder', 'birch', 'cedar', 'doum', 'elder', 'fir'];
const BAD = 'birch';
const OTHERS = [0, 2, 3, 4, 5];
const federation = testFederation(holders, 3, 5);
const { planHash, keys } = federation;

let accountant: FakeAccountant;
let sites: Map<string, Site>;
let coordinator: TestCoordinator;
const openAll = async () => {
  accountant = new FakeAccountant(federation);
  sites = await openSites(federation, accountant, holders);
  coordinator = new TestCoordinator(federation, sites);
  // Shares and answers of one holder are wrong.
  coordinator.hear = (holder, message) => {
    const spoilt = holder === BAD && ['shares', 'answer'].includes(kindOf(message) ?? '');
    return spoilt ? message.map((byte, i) => (i < 12 ? byte : byte ^ 1)) : message;
  };
};
const closeAll = () => closeSites(sites);
beforeEach(openAll);
afterEach(closeAll);

const site = (holder: string): Site => {
  const found = sites.get(holder);
  if (found === undefined) throw new Error(`no site of ${holder}`);
  return found;
};
const sentOf = (holder: string, kind: MessageKind) =>
  site(holder).sent.filter(({ subject, payload }) => {
    return subject === `fc.v1.masking.${holder}` && kindOf(payload) === kind;
  });
const setUpAnew = async (round: number) => {
  coordinator.step({ type: 'setUp', round });
  await coordinator.settle();
};

describe('a holder that deals wrong shares', () => {
  it('spoils one round, is told so, and declines from then on; the others are charged for what they take part in', async () => {
    await coordinator.setUp();
    expect(await coordinator.round(1)).toMatchObject({ type: 'abandoned', excluded: [1] });
    await setUpAnew(1);
    expect(site(BAD).masking?.out).toBe(
      'the global-aggregator has excluded this holder: what it dealt or sealed did not open',
    );
    expect(site(BAD).lines.filter((line) => line.startsWith('the global-aggregator has excluded'))).toHaveLength(1);
    expect(await coordinator.round(2)).toMatchObject({ type: 'opened', survivors: OTHERS });
    expect(site(BAD).declines()).toEqual(['not_trainable']);
    await site(BAD).restart();
    expect(site(BAD).masking?.out).toMatch(/has excluded this holder/);
    await site(BAD).masking?.announce();
    expect(sentOf(BAD, 'hello')).toHaveLength(1);
    expect(accountant.charges()).toHaveLength(6 + 5);
  });
});

describe('another block of the secure sum', () => {
  it('is set up and used whichever site crashes at whatever point, and each says one thing only', async () => {
    const points: FaultPoint[] = ['after-masking-fact', 'after-masking-send'];
    let crashes = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...holders.filter((holder) => holder !== BAD)),
        fc.constantFrom(...points),
        fc.nat(4),
        async (holder, point, after) => {
          await closeAll();
          await openAll();
          await coordinator.setUp();
          expect(await coordinator.round(1)).toMatchObject({ type: 'abandoned', excluded: [1] });
          site(holder).crashAt = point;
          site(holder).crashAfter = after;
          await setUpAnew(1);
          // A crash between a fact and its message leaves the rest to the repeated hello.
          if (coordinator.crashes > 0) await site(holder).masking?.announce();
          await coordinator.settle();
          crashes += coordinator.crashes;
          expect(await coordinator.round(2)).toMatchObject({ type: 'opened', survivors: OTHERS });
          const texts = (kind: MessageKind) => new Set(sentOf(holder, kind).map(({ payload }) => payload.join()));
          expect([texts('hello').size, texts('shares').size, texts('answer').size]).toEqual([2, 2, 2]);
        },
      ),
      { numRuns: 8, seed: 3 },
    );
    expect(crashes).toBeGreaterThan(3);
  });

  it('takes in a holder that has lost its masking facts, for later rounds only', async () => {
    await coordinator.setUp();
    expect(await coordinator.round(1)).toMatchObject({ type: 'abandoned' });
    await site('cedar').wipeMasking();
    expect(site('cedar').masking?.out).toMatch(/are lost; the holder takes no further part in block 1/);
    let start: Uint8Array | undefined;
    coordinator.deliver = (_, message) => {
      if (kindOf(message) === 'block') start = message;
      return message;
    };
    await setUpAnew(1);
    expect(site('cedar').masking?.out).toBeUndefined();
    expect(await coordinator.round(2)).toMatchObject({ type: 'opened', survivors: OTHERS });
    // Those of the second block lost as well, it waits for a third, whatever it is told again of the second.
    await site('cedar').wipeMasking();
    expect(site('cedar').masking?.out).toMatch(/takes no further part in block 2/);
    if (start === undefined) throw new Error('no block was announced');
    await site('cedar').masking?.onMessage(signMasking(planHash, start, keys.global));
    await site('cedar').masking?.announce();
    expect(site('cedar').masking?.out).toMatch(/takes no further part in block 2/);
    expect(sentOf('cedar', 'hello')).toHaveLength(2);
  });

  it('does not take in a holder that has lost its facts when it has rounds again that the holder has released in', async () => {
    await coordinator.setUp();
    expect(await coordinator.round(1)).toMatchObject({ type: 'abandoned' });
    await site('cedar').wipeMasking();
    await setUpAnew(0);
    expect(site('cedar').masking?.out).toMatch(/do not know round 1/);
    expect(sentOf('cedar', 'hello')).toHaveLength(1);
    await site('cedar').trainer.onTask(federation.open(2, { block: 2 }));
    expect(site('cedar').declines()).toEqual(['not_trainable']);
  });

  it('has its rounds masked in it, and in no other', async () => {
    await coordinator.setUp();
    const early = federation.open(2, { block: 2 });
    await expect(site('alder').trainer.onTask(early)).rejects.toThrow('block 2 of the secure sum is not set up yet');
    expect(accountant.charges()).toEqual([]);
    expect(await coordinator.round(1)).toMatchObject({ type: 'abandoned' });
    await setUpAnew(1);
    await site('alder').trainer.onTask(federation.open(3));
    expect(site('alder').declines()).toEqual(['not_trainable']);
    await site('alder').trainer.onTask(early);
    expect(site('alder').updates()).toHaveLength(2);
  });

  it('is believed only when the global-aggregator has signed for it under the plan', async () => {
    await coordinator.setUp();
    let start: Uint8Array | undefined;
    coordinator.deliver = (_, message) => {
      if (kindOf(message) === 'block') start = message;
      return kindOf(message) === 'block' ? undefined : message;
    };
    await coordinator.round(1);
    await setUpAnew(1);
    if (start === undefined) throw new Error('no block was announced');
    const { masking } = site('alder');
    await expect(masking?.onMessage(signMasking(planHash, start, keys.region))).rejects.toThrow();
    await expect(masking?.onMessage(signMasking('f'.repeat(64), start, keys.global))).rejects.toThrow();
    expect(masking?.block).toBe(1);
    await masking?.onMessage(signMasking(planHash, start, keys.global));
    expect(masking?.block).toBe(2);
  });
});
