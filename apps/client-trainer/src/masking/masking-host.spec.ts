import { readFileSync, statSync } from 'node:fs';
import { countRecords } from '@fedcarbon/benchmark';
import { signMasking } from '@fedcarbon/contracts';
import { fromBase64Url } from '@fedcarbon/kernel';
import { lastIndex, roundShare } from '@fedcarbon/round';
import { doubleMasking, kindOf, type MessageKind } from '@fedcarbon/secure-sum';
import { cryptoRandom, secureSumCrypto, signerFromPem } from '@fedcarbon/service';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { testFederation } from '../example-federation.support.ts';
import { FakeAccountant } from '../fake-accountant.support.ts';
import type { FaultPoint, Noise } from '../ports.ts';
import { exactNoise } from '../release.ts';
import { closeSites, openSites, Site } from '../site.support.ts';
import { TestCoordinator } from './coordinator.support.ts';

jest.setTimeout(60_000);

const holders = ['alder', 'birch', 'cedar', 'doum', 'elder'];
const federation = testFederation(holders, 3, 4);
const { plan, planHash, keys } = federation;
/** Index of a benchmarks round: what holders contribute to it is known exactly. */
const COUNTS = lastIndex(plan);
const { bits, layout } = plan.benchmarks;

let accountant: FakeAccountant;
let sites: Map<string, Site>;
let coordinator: TestCoordinator;
/** Every noise that was drawn, and with which variance. */
let drawn: { readonly sigmaSquared: number; readonly values: Int32Array }[];
const recorded: Noise = (sigmaSquared, length) => {
  const values = exactNoise(cryptoRandom)(sigmaSquared, length);
  drawn.push({ sigmaSquared, values });
  return values;
};
const openAll = async (noise: Noise = recorded) => {
  drawn = [];
  accountant = new FakeAccountant(federation);
  sites = await openSites(federation, accountant, holders, { noise });
  coordinator = new TestCoordinator(federation, sites);
};
const closeAll = () => closeSites(sites);
beforeEach(() => openAll());
afterEach(closeAll);

const site = (holder: string): Site => {
  const found = sites.get(holder);
  if (found === undefined) throw new Error(`no site of ${holder}`);
  return found;
};
const plus = (a: readonly number[], b: ArrayLike<number>) => a.map((value, i) => value + (b[i] ?? 0));
const counted = (names: readonly string[] = holders) =>
  names.map((holder) => [...countRecords(layout, site(holder).records.all)]).reduce((sum, counts) => plus(sum, counts));
const masking = (holder: string, kind: MessageKind) =>
  site(holder).sent.filter(({ subject, payload }) => {
    return subject === `fc.v1.masking.${holder}` && kindOf(payload) === kind;
  });
/** The facts that a site has on disk. */
const factsOf = (holder: string) =>
  readFileSync(site(holder).facts?.path ?? '', 'utf8')
    .split('\n')
    .slice(1, -1)
    .map((line) => fromBase64Url(line.slice(17)));

describe('a round under a secure sum', () => {
  it('opens the sum of what all holders contributed, and each added its share of the noise', async () => {
    await coordinator.setUp();
    expect(await coordinator.round(COUNTS, 'benchmarks')).toMatchObject({ type: 'opened', survivors: [0, 1, 2, 3, 4] });
    expect(drawn.map(({ sigmaSquared }) => sigmaSquared)).toEqual(holders.map(() => roundShare(plan, 'benchmarks')));
    expect(5 * roundShare(plan, 'benchmarks')).toBeGreaterThan(plan.benchmarks.event.sigmaSquared);
    const expected = drawn.reduce((sum, { values }) => plus(sum, values), counted());
    expect(coordinator.sum(bits)).toEqual(expected);
    expect(accountant.charges()).toHaveLength(5);
  });

  it('opens without those who do not take part, and no lower than K_min', async () => {
    await coordinator.setUp();
    expect(await coordinator.round(1, 'model', ['cedar'])).toMatchObject({ type: 'opened', survivors: [0, 1, 3, 4] });
    expect(await coordinator.round(2, 'model', ['cedar', 'doum'])).toMatchObject({ type: 'abandoned', round: 1 });
    expect(accountant.charges()).toHaveLength(7);
  });

  it('sends the same bytes again for the same task, also after a restart, and draws no second noise', async () => {
    await coordinator.setUp();
    const task = federation.open(1);
    await site('alder').trainer.onTask(task);
    await site('alder').restart();
    await site('alder').trainer.onTask(task);
    site('alder').nowMs += 3000;
    await site('alder').sender.sendDue();
    expect(
      new Set(
        site('alder')
          .updates()
          .map(({ payload }) => payload),
      ).size,
    ).toBe(1);
    expect(site('alder').updates().length).toBeGreaterThan(1);
    expect([drawn.length, accountant.charges().length]).toEqual([1, 1]);
  });

  it('keeps its bytes under the next attempt when a reservation has lapsed: noise is drawn once a round', async () => {
    await coordinator.setUp();
    site('alder').crashAt = 'after-prepare';
    await expect(site('alder').trainer.onTask(federation.open(1))).rejects.toThrow('after-prepare');
    accountant.expire();
    await site('alder').restart();
    await site('alder').trainer.onTask(federation.open(1));
    const digests = [...site('alder').journal.state.attempts.values()];
    expect(digests.map(({ status }) => status)).toEqual(['void', 'committed']);
    expect(accountant.charges()).toHaveLength(1);
    expect(drawn).toHaveLength(1);
  });
});

describe('a crash', () => {
  const moments: [MessageKind, FaultPoint][] = [
    ...(['hello', 'shares', 'consent', 'answer'] as const).flatMap((kind): [MessageKind, FaultPoint][] => [
      [kind, 'after-masking-fact'],
      [kind, 'after-masking-send'],
    ]),
    ['delivered', 'after-masking-fact'],
    ['masked', 'after-masking-fact'],
    ['masked', 'after-prepare'],
    ['masked', 'after-commit'],
    ['masked', 'after-committed'],
    ['masked', 'after-publish'],
  ];
  it.each(moments)(
    'around the message "%s", %s: the sum is right, with one noise and one charge',
    async (kind, point) => {
      const crash = () => {
        site('birch').crashAt = point;
      };
      const causes: { readonly [K in MessageKind]?: MessageKind } = {
        ...{ shares: 'roster', delivered: 'delivered', consent: 'survivors', answer: 'unmask' },
      };
      let once = true;
      coordinator.deliver = (holder, message) => {
        if (once && holder === 'birch' && kindOf(message) === causes[kind]) {
          once = false;
          crash();
        }
        return message;
      };
      if (kind === 'hello') crash();
      await coordinator.setUp();
      if (kind === 'masked') crash();
      expect(await coordinator.round(COUNTS, 'benchmarks')).toMatchObject({ survivors: [0, 1, 2, 3, 4] });
      const expected = drawn.reduce((sum, { values }) => plus(sum, values), counted());
      expect(coordinator.crashes).toBe(1);
      expect(drawn).toHaveLength(5);
      expect(coordinator.sum(bits)).toEqual(expected);
      expect(accountant.charges()).toHaveLength(5);
      for (const sent of ['hello', 'shares', 'consent', 'answer'] as const) {
        expect(new Set(masking('birch', sent).map(({ payload }) => payload.join())).size).toBe(1);
      }
    },
  );

  it('anywhere, of anybody and often, never makes a wrong sum, a second message or a second charge', async () => {
    const points: FaultPoint[] = ['after-masking-fact', 'after-masking-send', 'after-prepare', 'after-committed'];
    const crash = fc.record({
      ...{ holder: fc.constantFrom(...holders), point: fc.constantFrom(...points), after: fc.nat({ max: 6 }) },
      stage: fc.constantFrom('setup', 'first', 'second'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(crash, { minLength: 1, maxLength: 8 }), async (crashes) => {
        await closeAll();
        await openAll();
        const plant = (stage: string) => {
          for (const { holder, point, after } of crashes.filter((planned) => planned.stage === stage)) {
            site(holder).crashAt = point;
            site(holder).crashAfter = after;
          }
        };
        plant('setup');
        await coordinator.setUp();
        plant('first');
        expect((await coordinator.round(1))?.type).toBe('opened');
        plant('second');
        drawn.length = 0;
        expect((await coordinator.round(COUNTS, 'benchmarks'))?.type).toBe('opened');
        expect(coordinator.sum(bits)).toEqual(drawn.reduce((sum, { values }) => plus(sum, values), counted()));
        expect([drawn.length, accountant.charges().length]).toEqual([5, 10]);
        for (const holder of holders) {
          const texts = (kind: MessageKind) => masking(holder, kind).map(({ payload }) => payload.join());
          expect(new Set([...texts('hello'), ...texts('shares')]).size).toBe(2);
          expect(new Set([...texts('consent'), ...texts('answer')]).size).toBe(4);
        }
      }),
      { numRuns: 10 },
    );
  });
});

describe('lost masking facts', () => {
  it('end the part in the block: tasks are declined before anything is reserved, messages refused, and the log says why', async () => {
    await coordinator.setUp();
    await site('cedar').wipeMasking();
    expect(await coordinator.round(COUNTS, 'benchmarks')).toMatchObject({ type: 'opened', survivors: [0, 1, 3, 4] });
    expect(site('cedar').declines()).toEqual(['not_trainable']);
    expect(site('cedar').lines.join('\n')).toMatch(/masking facts .* are lost; the holder takes no further part/);
    expect(accountant.charges()).toHaveLength(4);
    const present = holders.filter((holder) => holder !== 'cedar');
    expect(coordinator.sum(bits)).toEqual(drawn.reduce((sum, { values }) => plus(sum, values), counted(present)));
    await site('cedar').masking?.announce();
    expect(masking('cedar', 'hello')).toHaveLength(1);
    const message = signMasking(planHash, new Uint8Array(10), keys.global);
    await expect(site('cedar').masking?.onMessage(message)).rejects.toMatchObject({ code: 'masking_out' });
  });

  it('are noticed when an older copy is put back: it would let the holder contradict itself', async () => {
    await coordinator.setUp();
    const older = readFileSync(site('cedar').facts?.path ?? '');
    await coordinator.round(1);
    await site('cedar').wipeMasking(older);
    await site('cedar').trainer.onTask(federation.open(2));
    expect(site('cedar').declines()).toEqual(['not_trainable']);
    expect(site('cedar').lines.join('\n')).toMatch(/do not know round 1: they are older than the journal/);
  });

  it('with the journal lost too, are noticed by the charges that the accountant tells of', async () => {
    await coordinator.setUp();
    await coordinator.round(1);
    await site('cedar').wipeJournal();
    await site('cedar').masking?.announce();
    await coordinator.settle();
    expect(coordinator.refusals.at(-1)).toBe('coordinator: member 2 has said another hello before');
    await site('cedar').trainer.onTask(federation.open(2));
    expect(site('cedar').declines()).toEqual(['not_trainable']);
    expect(accountant.charges()).toHaveLength(5);
  });
});

describe('a coordinator that', () => {
  it('asks for other survivors after an answer is refused, also after a restart and with enough signatures', async () => {
    await coordinator.setUp();
    // Four members who go along with another set: copies of them from before they signed for anything.
    const accomplices = new Map<string, Uint8Array[]>();
    const plot = coordinator.party;
    coordinator.deliver = (holder, message) => {
      if (kindOf(message) === 'survivors' && !accomplices.has(holder)) accomplices.set(holder, factsOf(holder));
      return message;
    };
    await coordinator.round(1);
    expect(masking('alder', 'answer')).toHaveLength(1);
    const others = holders.slice(0, 4);
    const second = new TestCoordinator(federation, new Map());
    second.party = plot;
    const { length } = plan.recipe.binsPerFeature.reduce((sum, n) => ({ length: sum.length + n }), { length: 0 });
    second.step({ type: 'open', round: 0, length, bits: plan.recipe.bits });
    const sum = doubleMasking(second.block);
    for (const [from, holder] of others.entries()) {
      second.step({ type: 'message', from, message: fromBase64Url(site(holder).updates()[0]?.payload ?? '') });
    }
    const unmasks: Uint8Array[] = [];
    const asked: Uint8Array[] = [];
    let party = second.party;
    const step = (event: Parameters<typeof party.step>[0]) => {
      const after = party.step(event);
      party = after.party;
      for (const effect of after.effects) {
        if (effect.type !== 'send') continue;
        (effect.kind === 'unmask' ? unmasks : asked).push(effect.message);
      }
    };
    step({ type: 'deadline', phase: 'masked', round: 0 });
    for (const [from, holder] of others.entries()) {
      const signer = signerFromPem(federation.holderPems[holder] ?? '');
      const dependencies = { crypto: secureSumCrypto, signer, random: cryptoRandom };
      const copy = sum.client(from, dependencies, accomplices.get(holder));
      for (const effect of copy.step({ type: 'message', message: asked[0] ?? new Uint8Array() }).effects) {
        if (effect.type === 'send') step({ type: 'message', from, message: effect.message });
      }
    }
    expect(unmasks.length).toBeGreaterThan(0);
    await site('alder').restart();
    for (const message of [asked[0], unmasks[0]]) {
      const envelope = signMasking(planHash, message ?? new Uint8Array(), keys.global);
      await expect(site('alder').masking?.onMessage(envelope)).rejects.toThrow(/other survivors of round 0/);
    }
    expect(masking('alder', 'answer')).toHaveLength(1);
  });

  it('is another one is not listened to', async () => {
    const forged: Uint8Array[] = [];
    coordinator.deliver = (_, message) => {
      forged.push(message);
      return undefined;
    };
    await coordinator.setUp();
    const [roster = new Uint8Array()] = forged;
    const before = factsOf('alder').length;
    const { masking: host } = site('alder');
    await expect(host?.onMessage(signMasking(planHash, roster, keys.region))).rejects.toMatchObject({
      code: 'bad_signature',
    });
    await expect(host?.onMessage(signMasking('b'.repeat(64), roster, keys.global))).rejects.toMatchObject({
      code: 'bad_signature',
    });
    const genuine = signMasking(planHash, roster, keys.global);
    const changed = genuine.payload.map((byte, i) => (i === 40 ? byte ^ 1 : byte));
    await expect(host?.onMessage({ ...genuine, payload: changed })).rejects.toMatchObject({ code: 'bad_signature' });
    expect(factsOf('alder')).toHaveLength(before);
    await host?.onMessage(signMasking(planHash, roster, keys.global));
    expect(factsOf('alder')).toHaveLength(before + 1);
  });
});

it('the own cap declines when its delta does not even pay for the noise coming in shares', async () => {
  const distance = plan.privacy.secureSum?.noiseDistanceDelta ?? 0;
  expect(distance).toBeGreaterThan(0);
  await site('birch').close();
  sites.set('birch', await Site.open(federation, accountant, { holder: 'birch', delta: distance / 2 }));
  await coordinator.setUp();
  await coordinator.round(1);
  expect(site('birch').declines()).toEqual(['over_own_cap']);
  expect(accountant.charges()).toHaveLength(4);
});

describe('a task before the block is set up', () => {
  it('comes again until the regional deadline, then is declined, and the next ones at once', async () => {
    const alder = site('alder');
    await alder.masking?.announce();
    const task = federation.open(1, { openedAtMs: alder.nowMs });
    await expect(alder.trainer.onTask(task)).rejects.toMatchObject({ code: 'try_again' });
    expect(alder.declines()).toEqual([]);
    alder.nowMs += 9000;
    await alder.trainer.onTask(task);
    await alder.trainer.onTask(federation.open(2, { openedAtMs: alder.nowMs }));
    expect(alder.declines()).toEqual(['not_trainable', 'not_trainable']);
    expect(accountant.calls).not.toContain('reserve');
  });

  it('is worked on once the set-up has come', async () => {
    const task = federation.open(1);
    await expect(site('alder').trainer.onTask(task)).rejects.toMatchObject({ code: 'try_again' });
    await coordinator.setUp();
    await site('alder').trainer.onTask(task);
    expect(site('alder').updates()).toHaveLength(1);
  });
});

describe('saying hello', () => {
  it('goes on until the roster comes, as a message of its own each time, and shares are sent until everybody has dealt', async () => {
    const alder = site('alder');
    for (let times = 0; times < 3; times++) await alder.masking?.announce();
    const hellos = masking('alder', 'hello');
    expect(new Set(hellos.map(({ payload }) => payload.join())).size).toBe(1);
    expect(new Set(hellos.map(({ messageId }) => messageId)).size).toBe(3);
    let lost = true;
    coordinator.deliver = (holder, message) => (lost && kindOf(message) === 'delivered' ? undefined : message);
    await coordinator.setUp();
    expect(alder.masking?.ready).toBe(false);
    lost = false;
    await alder.masking?.announce();
    await coordinator.settle();
    expect(alder.masking?.ready).toBe(true);
    await alder.masking?.announce();
    expect(masking('alder', 'hello')).toHaveLength(4);
    expect(masking('alder', 'shares')).toHaveLength(2);
  });

  it('keeps its facts where only the owner can read them', async () => {
    await coordinator.setUp();
    expect(statSync(site('alder').facts?.path ?? '').mode & 0o777).toBe(0o600);
    expect(site('alder').lines.join('\n')).not.toMatch(/seed/);
  });
});
