import { sumModulo } from '@fedcarbon/codec';
import { concatBytes } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { blockFrom } from './block.ts';
import { blockOf, type Faults, Federation, seededRandom, toySuite } from './federation.support.ts';
import { type Block, type ClientEvent, doubleMasking, kindOf, type SecureSum } from './index.ts';
import { encodeSurvivors, encodeUnmask } from './v1/round-messages.ts';
import { encodeBlockStart } from './v1/setup-messages.ts';

const BITS = 11;
const CLIENTS = 7;
const everybody = Array.from({ length: CLIENTS }, (_, member) => member);
const without = (...members: number[]) => everybody.filter((member) => !members.includes(member));
const block = blockOf(CLIENTS, { rounds: 4, minSurvivors: 5, suite: toySuite });
const sum = doubleMasking(block);

const vectors = everybody.map((member) => Int32Array.from({ length: 3 }, (_, i) => 7 * member - 5 * i));
const sumOf = (members: readonly number[]) =>
  sumModulo(
    members.map((member) => vectors[member]!),
    BITS,
  );

/** A federation whose `bad` members deal wrong shares, and lie or are silent when they are asked to answer. */
function federationWith(bad: { members: readonly number[]; silent?: boolean }, faults: Faults = {}, secureSum = sum) {
  const federation = new Federation(block, secureSum, faults, { suite: toySuite });
  const honest = federation.coordinatorStep.bind(federation);
  federation.coordinatorStep = (event) => {
    if (event.type !== 'message' || !bad.members.includes(event.from)) return honest(event);
    const kind = kindOf(event.message);
    if (kind === 'answer' && bad.silent) return;
    const isSpoilt = kind === 'shares' || kind === 'answer';
    honest(isSpoilt ? { ...event, message: event.message.map((byte, i) => (i < 12 ? byte : byte ^ 1)) } : event);
  };
  return federation;
}

function setUpAnew(federation: Federation, round: number): void {
  federation.coordinatorStep({ type: 'setUp', round });
  for (const phase of ['hello', 'shares'] as const) federation.coordinatorStep({ type: 'deadline', phase });
}

describe('bad dealers', () => {
  it('cost one round each, whoever crashes meanwhile: later sums are right without them', () => {
    const salt = fc.nat(1000);
    const sequence = fc.shuffledSubarray(everybody, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(sequence, fc.boolean(), salt, salt, (dealers, silent, clientSalt, coordinatorSalt) => {
        const one = (fact: Uint8Array, by: number) =>
          fact.reduce((hash, byte) => (hash * 31 + byte) % 1009, by) % 3 === 0;
        const bad = { members: [] as number[], silent };
        const federation = federationWith(bad, {
          crashes: (member, fact) => one(fact, clientSalt + member),
          coordinatorCrashes: (fact) => one(fact, coordinatorSalt),
        });
        dealers.forEach((dealer, round) => {
          bad.members = [dealer];
          if (round === 0) federation.setUp();
          else setUpAnew(federation, round);
          expect(federation.run(round, vectors, BITS)).toMatchObject({
            ...{ type: 'abandoned', excluded: [dealer] },
            reason: `the shares of member ${dealer} do not give what it committed to`,
          });
        });
        const round = dealers.length;
        setUpAnew(federation, round);
        const survivors = without(...dealers);
        expect(federation.run(round, vectors, BITS)).toMatchObject({
          ...{ type: 'opened', survivors, sum: sumOf(survivors) },
        });
        for (const dealer of dealers) expect(federation.client(dealer).standing).toMatchObject({ excluded: true });
      }),
      { numRuns: 15, seed: 11 },
    );
  });

  it('of one round are excluded together, and no round is opened before the next block', () => {
    const federation = federationWith({ members: [1, 4] });
    federation.setUp();
    // Two wrong answers as well would leave no five right ones in a row.
    const lying = federation.coordinatorStep;
    federation.coordinatorStep = (event) => {
      if (event.type === 'message' && event.from === 4 && kindOf(event.message) === 'answer') return;
      lying(event);
    };
    expect(federation.run(0, vectors, BITS)).toMatchObject({ type: 'abandoned', excluded: [1, 4] });
    federation.coordinatorStep({ type: 'open', round: 1, length: 3, bits: BITS });
    expect(federation.refusals.at(-1)).toMatch(/block 1 has bad dealers/);
    setUpAnew(federation, 1);
    federation.coordinatorStep({ type: 'open', round: 0, length: 3, bits: BITS });
    expect(federation.refusals.at(-1)).toMatch(/round 0 is not one of block 2, which has 1 to 3/);
    expect(federation.run(1, vectors, BITS)).toMatchObject({ type: 'opened', survivors: without(1, 4) });
  });

  it('are not named when more secrets are missing than bad dealers can explain: the block goes on', () => {
    const federation = new Federation(block, sum, {}, { suite: toySuite });
    const honest = federation.coordinatorStep.bind(federation);
    federation.coordinatorStep = (event) => {
      const lies = event.type === 'message' && event.from < 3 && kindOf(event.message) === 'answer';
      honest(lies ? { ...event, message: event.message.map((byte, i) => (i < 12 ? byte : byte ^ 1)) } : event);
    };
    federation.setUp();
    const outcome = federation.run(0, vectors, BITS);
    expect(outcome).toMatchObject({ type: 'abandoned', reason: 'too many answers are wrong', excluded: [] });
    federation.coordinatorStep = honest;
    federation.coordinatorStep({ type: 'setUp', round: 1 });
    expect(federation.refusals.at(-1)).toBe('coordinator: block 1 has named nobody; it goes on');
    expect(federation.run(1, vectors, BITS)).toMatchObject({ type: 'opened', survivors: everybody });
  });
});

describe('another block', () => {
  it('lets those in again who were not in the earlier one', () => {
    let late = true;
    const alive = (member: number) => !(late && member === 6);
    const federation = federationWith({ members: [0] }, { alive });
    federation.setUp();
    expect(federation.run(0, vectors, BITS)).toMatchObject({ type: 'abandoned', excluded: [0] });
    late = false;
    setUpAnew(federation, 1);
    expect(federation.run(1, vectors, BITS)).toMatchObject({ type: 'opened', survivors: without(0) });
  });

  it('is what a member hears of that says hello in an earlier one', () => {
    const federation = federationWith({ members: [0] });
    federation.setUp();
    federation.run(0, vectors, BITS);
    setUpAnew(federation, 1);
    const hello = federation.sent.find(({ from, kind }) => from === 6 && kind === 'hello')!.message;
    const before = [...federation.traffic.down];
    federation.coordinatorStep({ type: 'message', from: 6, message: hello });
    const start = encodeBlockStart(block, { number: 2, firstRound: 1, excluded: [0] });
    expect(federation.coordinatorSends('block')).toEqual(start);
    expect(federation.traffic.down.map((bytes, member) => bytes - before[member]!)).toEqual(
      everybody.map((member) => (member === 6 ? start.length : 0)),
    );
  });

  it('has a higher number than all before it, and leaves out for good whom it excludes', () => {
    const client = sum.client(0, { ...toySuite, signer: toySuite.signer('client 0'), random: seededRandom('0') });
    const begin = (number: number, excluded: readonly number[] = []): ClientEvent => ({
      type: 'message',
      message: encodeBlockStart(block, { number, firstRound: 1, excluded }),
    });
    const third = client.step(begin(3));
    expect(third.effects.map(({ type }) => type)).toEqual(['persist']);
    const joined = third.party.step({ type: 'join' });
    expect(joined.effects.map(({ type }) => type)).toEqual(['persist', 'send']);
    expect(third.party.step(begin(3)).effects).toEqual([]);
    for (const [number, excluded] of [[2], [1], [3, [5]]] as const) {
      expect(third.party.step(begin(number, excluded)).effects).toMatchObject([
        { type: 'refuse', reason: `this client is in block 3 and does not begin block ${number}` },
      ]);
    }
    const out = joined.party.step(begin(4, [0]));
    expect(out.effects.map(({ type }) => type)).toEqual(['persist']);
    expect(out.party.standing).toMatchObject({ block: 4, excluded: true, begun: false });
    expect(out.party.step({ type: 'resume' }).effects).toEqual([]);
    expect(out.party.step({ type: 'join' }).effects).toMatchObject([{ type: 'refuse' }]);
  });

  it('gets nothing of a round that a client has contributed to in an earlier one, also after a restart', () => {
    const before = new Federation(block, sum, {}, { suite: toySuite });
    before.setUp();
    expect(before.run(0, vectors, BITS)).toMatchObject({ type: 'opened' });
    // A coordinator that begins a second block with the same round, for the sake of a second sum without member 6.
    const start = { number: 2, firstRound: 0, excluded: [6] };
    const begun = concatBytes(Uint8Array.of(0), encodeBlockStart(block, start));
    const lying: SecureSum = {
      ...sum,
      client: (member, parts, facts = []) => sum.client(member, parts, [...before.clientFacts[member]!, ...facts]),
      coordinator: (parts, facts = []) => sum.coordinator(parts, [begun, ...facts]),
    };
    const after = new Federation(block, lying, {}, { suite: toySuite });
    after.coordinatorStep({ type: 'resume' });
    for (const member of without(6)) {
      expect(after.client(member).standing).toMatchObject({ block: 2, ready: true });
      for (const facts of [undefined, after.clientFacts[member]!]) {
        const party = facts ? lying.client(member, dependencies(member), facts) : after.client(member);
        expectNothing(blockFrom(block, start, toySuite.crypto.sha256), party, before, member);
      }
    }
    expect(after.run(0, vectors, BITS)).toMatchObject({ type: 'abandoned' });
    expect(after.run(1, vectors, BITS)).toMatchObject({ type: 'opened', survivors: without(6) });
  });
});

const dependencies = (member: number) => ({
  ...{ crypto: toySuite.crypto, signer: toySuite.signer(`client ${member}`), random: seededRandom(`${member}`) },
});

/** Nothing for round 0 but the masked message that is known already; neither in the second block nor in the first. */
function expectNothing(second: Block, party: ReturnType<SecureSum['client']>, before: Federation, member: number) {
  const known = before.sent.find(({ from, kind }) => from === member && kind === 'masked')!.message;
  const values = vectors[member]!.map((value) => value + 1);
  expect(party.step({ type: 'contribute', round: 0, values, bits: BITS }).effects).toEqual([
    { type: 'send', kind: 'masked', message: known },
  ]);
  expect(party.standing).toMatchObject({ block: 2 });
  const survivors = without(6);
  const signatures = survivors.map(() => new Uint8Array(64));
  for (const message of [
    encodeSurvivors(second, { round: 0, survivors }),
    encodeUnmask(second, { round: 0, survivors, signers: survivors, signatures }),
  ]) {
    expect(party.step({ type: 'message', message }).effects).toMatchObject([
      { type: 'refuse', reason: expect.stringContaining('this client is not in the sum of round 0') },
    ]);
  }
  for (const kind of ['survivors', 'unmask'] as const) {
    expect(party.step({ type: 'message', message: before.coordinatorSends(kind) }).effects).toMatchObject([
      { type: 'refuse', reason: expect.stringContaining('another session') },
    ]);
  }
}
