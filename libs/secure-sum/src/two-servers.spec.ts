import { describe, expect, it } from '@jest/globals';
import { addModulo, sumModulo } from '@fedcarbon/codec';
import fc from 'fast-check';
import { blockOf, nodeSuite, seededRandom } from './federation.support.ts';
import {
  addMasked,
  type CoordinatorEffect,
  type CoordinatorEvent,
  type HelperEffect,
  type HelperEvent,
  type Party,
  twoServers,
} from './index.ts';
import { decodeMaskSum, decodeSeeds, encodeSeeds, type Seeds } from './v1/helper-messages.ts';
import { decodeMasked } from './v1/round-messages.ts';

const BITS = 12;
const { crypto } = nodeSuite;
const privateKey = new Uint8Array(32).fill(3);
const helperKey = crypto.x25519PublicKey(privateKey);

/** A round in which the members of `silent` send nothing; the coordinator and helper forget everything wherever `crash` says so. */
function run(
  clients: number,
  silent: ReadonlySet<number>,
  options: { noise?: Int32Array; crash?: (salt: number) => boolean; region?: boolean; tamper?: number } = {},
) {
  const block = blockOf(clients, { rounds: 2 });
  const sum = twoServers(block, helperKey);
  const dependencies = { crypto, signer: nodeSuite.signer('coordinator') };
  const facts = { coordinator: [] as Uint8Array[], helper: [] as Uint8Array[] };
  let coordinator: Party<CoordinatorEvent, CoordinatorEffect> = sum.coordinator(dependencies);
  let helper: Party<HelperEvent, HelperEffect> = sum.helper({ crypto, privateKey });
  const effects: CoordinatorEffect[] = [];
  const vectors = Array.from({ length: clients }, (_, i) => Int32Array.of(i - 3, 40 * i, 5));
  let steps = 0;
  const step = (event: CoordinatorEvent): void => {
    const after = coordinator.step(event);
    coordinator = after.party;
    for (const effect of after.effects) {
      if (effect.type === 'persist') {
        facts.coordinator.push(effect.fact);
        if (!options.crash?.(steps++)) continue;
        coordinator = sum.coordinator(dependencies, facts.coordinator);
        return step({ type: 'resume' });
      }
      effects.push(effect);
      if (effect.type === 'send') ask(effect.message);
    }
  };
  const ask = (message: Uint8Array): void => {
    const after = helper.step({ type: 'message', message, ...(options.noise ? { noise: options.noise } : {}) });
    helper = after.party;
    for (const effect of after.effects) {
      if (effect.type === 'persist') {
        facts.helper.push(effect.fact);
        if (!options.crash?.(steps++)) continue;
        helper = sum.helper({ crypto, privateKey }, facts.helper);
        return ask(message);
      }
      if (effect.type === 'send') step({ type: 'helper', message: effect.message });
    }
  };
  step({ type: 'open', round: 1, length: 3, bits: BITS });
  const messages = new Map<number, Uint8Array>();
  vectors.forEach((values, member) => {
    if (silent.has(member)) return;
    const random = seededRandom(`client ${member}`);
    const client = sum.client(member, { crypto, signer: nodeSuite.signer(`client ${member}`), random });
    const { effects: given } = client.step({ type: 'contribute', round: 1, values, bits: BITS });
    expect(given.map(({ type }) => type)).toEqual(['persist', 'send']);
    const sent = given.find((effect) => effect.type === 'send')!.message;
    if (member === options.tamper) sent[sent.length - 1]! ^= 1;
    messages.set(member, sent);
  });
  if (options.region)
    step({
      type: 'partial',
      message: addMasked(block, sum.sealedBytes, { round: 1, length: 3, bits: BITS }, messages),
    });
  else for (const [from, message] of messages) step({ type: 'message', from, message });
  step({ type: 'deadline', phase: 'masked', round: 1 });
  const survivors = vectors.flatMap((_, i) => (silent.has(i) ? [] : [i]));
  const expected = sumModulo([Int32Array.of(0, 0, 0), ...survivors.map((i) => vectors[i]!)], BITS);
  return { block, sum, step, effects, facts, helper: () => helper, survivors, expected, messages };
}

describe('two servers', () => {
  it('open the sum of any K_min or more clients, directly or through regions, and of fewer none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 20 }).chain((clients) =>
          fc.record({
            clients: fc.constant(clients),
            silent: fc.shuffledSubarray(Array.from({ length: clients }, (_, i) => i), { maxLength: Math.ceil(clients / 2) }), // prettier-ignore
            region: fc.boolean(),
            salt: fc.nat(20),
          }),
        ),
        ({ clients, silent, region, salt }) => {
          const crash = (step: number) => (step * 7 + salt) % 3 === 0;
          const { effects, survivors, expected, block } = run(clients, new Set(silent), { region, crash });
          const outcome = effects.filter(({ type }) => type === 'opened' || type === 'abandoned');
          expect(outcome).toHaveLength(1);
          expect(outcome[0]).toEqual(
            survivors.length >= block.minSurvivors
              ? { type: 'opened', round: 1, survivors, sum: expected }
              : expect.objectContaining({ type: 'abandoned', round: 1 }),
          );
        },
      ),
      { numRuns: 30, seed: 5 },
    );
  });

  it('add the noise of the helper', () => {
    const noise = Int32Array.of(100, -7, 3);
    const { effects, survivors, expected } = run(5, new Set([1]), { noise });
    expect(effects).toContainEqual({ type: 'opened', round: 1, survivors, sum: addModulo(expected, noise, BITS) });
  });

  it('the helper answers one request a round, with the same bytes, also after a restart', () => {
    const { block, sum, effects, facts, helper, messages } = run(5, new Set());
    const request = effects.find((effect) => effect.type === 'send')!.message;
    const seeds = decodeSeeds(block, request);
    const fewer = encodeSeeds(block, { ...seeds, survivors: [0, 1, 2, 3], sealed: seeds.sealed.slice(0, 4) });
    const restarted = sum.helper({ crypto, privateKey }, facts.helper);
    for (const party of [helper(), restarted]) {
      expect(party.step({ type: 'message', message: fewer }).effects).toEqual([
        { type: 'refuse', reason: 'round 1 was answered for another request' },
      ]);
      const again = party.step({ type: 'message', message: request, noise: Int32Array.of(1, 1, 1) }).effects;
      expect(again).toEqual([{ type: 'send', kind: 'maskSum', message: facts.helper[0]!.subarray(32) }]);
    }
    const fresh = sum.helper({ crypto, privateKey });
    const reason = (message: Uint8Array, noise?: Int32Array) => {
      const [effect] = fresh.step({ type: 'message', message, ...(noise ? { noise } : {}) }).effects;
      return effect?.type === 'refuse' ? effect.reason : effect?.type;
    };
    expect(reason(fewer)).toBe('persist');
    expect(reason(encodeSeeds(block, { ...seeds, survivors: [0, 1, 2], sealed: seeds.sealed.slice(0, 3) }))).toMatch(
      /3 survivors/,
    );
    expect(reason(request, Int32Array.of(1))).toMatch(/noise for 3 integers/);
    expect(reason(encodeSeeds(block, { ...seeds, round: 2 }))).toMatch(/the block has 2/);
    expect(reason(messages.get(0)!)).toMatch(/expected version 1/);
  });

  it('a seal that does not open, or belongs to another client or round, keeps the sum closed', () => {
    const { effects } = run(5, new Set(), { tamper: 2 });
    expect(effects.at(-2)).toMatchObject({
      ...{ type: 'abandoned', excluded: [2], reason: 'the helper cannot open what member 2 sealed' },
    });
    expect(effects.at(-1)).toMatchObject({ type: 'send', to: [2], kind: 'block' });
    const { block, sum, effects: fine } = run(5, new Set());
    const seeds = decodeSeeds(block, fine.find((effect) => effect.type === 'send')!.message);
    for (const changed of [
      { ...seeds, sealed: [...seeds.sealed].reverse() },
      { ...seeds, round: 0 },
    ]) {
      const answer = sum.helper({ crypto, privateKey }).step({ type: 'message', message: encodeSeeds(block, changed) });
      const sent = answer.effects.find((effect) => effect.type === 'send')!.message;
      // The middle client's seal is its own in the reversed order.
      expect(sent[12]).toBe(changed.round === 0 ? 0b11111000 : 0b11011000);
    }
  });

  it('a coordinator can neither mix in seeds of its own nor have masks of another shape: clients sign for their seeds', () => {
    const { block, sum, effects } = run(5, new Set());
    const seeds = decodeSeeds(block, effects.find((effect) => effect.type === 'send')!.message);
    const unreadable = (changed: Partial<Seeds>) => {
      const message = encodeSeeds(block, { ...seeds, ...changed });
      const answer = sum.helper({ crypto, privateKey }).step({ type: 'message', message }).effects;
      const masks = decodeMaskSum(block, answer.find((effect) => effect.type === 'send')!.message);
      expect(masks.values).toHaveLength(masks.unreadable.length > 0 ? 0 : 3);
      return masks.unreadable;
    };
    const forger = { crypto, signer: nodeSuite.signer('coordinator'), random: seededRandom('own seed') };
    const forged = sum
      .client(1, forger)
      .step({ type: 'contribute', round: 1, values: Int32Array.of(0, 0, 0), bits: BITS })
      .effects.find((effect) => effect.type === 'send')!.message;
    const { sealed } = decodeMasked(block, sum.sealedBytes, forged);
    expect(unreadable({})).toEqual([]);
    expect(unreadable({ sealed: seeds.sealed.with(1, sealed) })).toEqual([1]);
    expect(unreadable({ bits: BITS + 1 })).toEqual([0, 1, 2, 3, 4]);
    expect(unreadable({ length: 2 })).toEqual([0, 1, 2, 3, 4]);
  });

  it('a client draws once a round: a second vector sends the first message again, also after a restart', () => {
    const block = blockOf(3);
    const sum = twoServers(block, helperKey);
    const dependencies = { crypto, signer: nodeSuite.signer('client 0'), random: seededRandom('draws') };
    const first = sum
      .client(0, dependencies)
      .step({ type: 'contribute', round: 0, values: Int32Array.of(1), bits: BITS });
    const facts = first.effects.flatMap((effect) => (effect.type === 'persist' ? [effect.fact] : []));
    const sent = first.effects.filter(({ type }) => type === 'send');
    for (const client of [first.party, sum.client(0, dependencies, facts)]) {
      expect(client.step({ type: 'contribute', round: 0, values: Int32Array.of(2), bits: BITS }).effects).toEqual(sent);
      expect(client.step({ type: 'resume' }).effects).toEqual(sent);
    }
    expect(
      first.party.step({ type: 'contribute', round: 9, values: Int32Array.of(1), bits: BITS }).effects,
    ).toMatchObject([{ type: 'refuse', reason: expect.stringContaining('round 9') }]);
  });

  it('costs at most 20 kB per client over 25 rounds', () => {
    const { messages } = run(5, new Set());
    const headers = 100;
    for (const [length, bits] of [
      [51, 12],
      [124, 10],
    ] as const) {
      // prettier-ignore
      const payload = 5 + Math.ceil((length * bits) / 8);
      const shorter = 5 + Math.ceil((3 * BITS) / 8);
      const up = messages.get(0)!.length - shorter + payload + headers;
      const down = payload + headers;
      expect(25 * (up + down)).toBeLessThanOrEqual(20_000);
    }
  });

  it('go on without a client whose seal did not open, also after a restart, and tell it', () => {
    const { block, sum, effects, facts } = run(5, new Set(), { tamper: 2 });
    const [, told] = effects.filter((effect) => effect.type === 'send');
    const bad = sum.client(2, { crypto, signer: nodeSuite.signer('client 2'), random: seededRandom('2') });
    const { party, effects: given } = bad.step({ type: 'message', message: told!.message });
    const excludedFacts = given.flatMap((effect) => (effect.type === 'persist' ? [effect.fact] : []));
    const dependencies = { crypto, signer: nodeSuite.signer('client 2'), random: seededRandom('2') };
    for (const client of [party, sum.client(2, dependencies, excludedFacts)]) {
      expect(client.standing).toMatchObject({ excluded: true });
      const values = Int32Array.of(1, 2, 3);
      expect(client.step({ type: 'contribute', round: 0, values, bits: BITS }).effects).toMatchObject([
        { type: 'refuse', reason: 'this client is excluded' },
      ]);
    }
    const other = sum.client(0, { ...dependencies, signer: nodeSuite.signer('client 0') });
    expect(other.step({ type: 'message', message: told!.message }).effects).toMatchObject([{ type: 'refuse' }]);

    let coordinator = sum.coordinator({ crypto, signer: nodeSuite.signer('coordinator') }, facts.coordinator);
    expect(coordinator.standing).toMatchObject({ excluded: [2], members: [0, 1, 3, 4], phase: undefined });
    coordinator = coordinator.step({ type: 'open', round: 0, length: 3, bits: BITS }).party;
    const last = [2, 0, 1, 3, 4].flatMap((member) => {
      const signer = nodeSuite.signer(`client ${member}`);
      const client = sum.client(member, { crypto, signer, random: seededRandom(`${member}`) });
      const sent = client.step({ type: 'contribute', round: 0, values: Int32Array.of(1, 2, 3), bits: BITS }).effects;
      const message = sent.find((effect) => effect.type === 'send')!.message;
      const step = coordinator.step({ type: 'message', from: member, message });
      coordinator = step.party;
      return step.effects;
    });
    expect(last[0]).toEqual({ type: 'refuse', reason: 'member 2 is excluded' });
    // Nobody waits for it.
    const asked = last.find((effect) => effect.type === 'send');
    expect(decodeSeeds(block, asked!.message).survivors).toEqual([0, 1, 3, 4]);
  });
});
