import { describe, expect, it } from '@jest/globals';
import { toHex } from '@fedcarbon/kernel';
import { blockOf, Federation, nodeSuite, seededRandom } from './federation.support.ts';
import { type ClientEffect, type ClientParty, completeThreshold, doubleMasking } from './index.ts';
import {
  decodeConsent,
  encodeConsent,
  encodeSurvivors,
  encodeUnmask,
  survivorsStatement,
} from './v1/round-messages.ts';
import { decodeDelivered, decodeRoster, encodeDelivered, rosterHashOf } from './v1/setup-messages.ts';

const CLIENTS = 7;
const THRESHOLD = completeThreshold(CLIENTS);
const BITS = 12;
const ROUND = 1;

/** A federation whose clients have all sent their vectors of round 1; what comes then is the test's to send. */
function masked() {
  const block = blockOf(CLIENTS, { rounds: 2, minSurvivors: THRESHOLD });
  const federation = new Federation(block, doubleMasking(block));
  federation.setUp();
  const clients = block.members.map((_, member) => {
    const vector = Int32Array.of(member, -member, 7);
    return federation.client(member).step({ type: 'contribute', round: ROUND, values: vector, bits: BITS }).party;
  });
  const facts = block.members.map((_, member) => {
    const { effects } = federation
      .client(member)
      .step({ type: 'contribute', round: ROUND, values: Int32Array.of(member, -member, 7), bits: BITS });
    return [...federation.clientFacts[member]!, ...factsOf(effects)];
  });
  return { block, federation, clients, facts };
}

type Client = ClientParty;
const factsOf = (effects: readonly ClientEffect[]) =>
  effects.flatMap((effect) => (effect.type === 'persist' ? [effect.fact] : []));
const sentOf = (effects: readonly ClientEffect[]) =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
const refusalOf = (effects: readonly ClientEffect[]) => {
  expect(effects).toHaveLength(1);
  const [effect] = effects;
  return effect?.type === 'refuse' ? effect.reason : `accepted: ${effect?.type}`;
};
const message = (client: Client, bytes: Uint8Array) => client.step({ type: 'message', message: bytes });
const everybody = Array.from({ length: CLIENTS }, (_, i) => i);
const without = (...members: number[]) => everybody.filter((i) => !members.includes(i));

/** The request for the masks of `survivors`, with the signatures that the clients give when they are asked. */
function certificate({ block, clients }: ReturnType<typeof masked>, survivors: readonly number[]) {
  const request = encodeSurvivors(block, { round: ROUND, survivors });
  const signers = survivors.slice(0, THRESHOLD);
  const signatures = signers.map((member) => {
    const { party, effects } = message(clients[member]!, request);
    clients[member] = party;
    return decodeConsent(block, sentOf(effects)[0]!).signature;
  });
  return { signers, signatures, bytes: encodeUnmask(block, { round: ROUND, survivors, signers, signatures }) };
}

describe('one set of survivors a round', () => {
  it('an answer is given once: the same request gets the same bytes, another set is refused, also after a restart', () => {
    const scene = masked();
    const { block, federation, facts } = scene;
    const { bytes } = certificate(scene, everybody);
    // Client 6 has signed nothing (six were enough); it answers what is certified.
    const first = message(scene.clients[6]!, bytes);
    expect(first.effects.map(({ type }) => type)).toEqual(['persist', 'send']);
    const again = message(first.party, bytes);
    expect(sentOf(again.effects)).toEqual(sentOf(first.effects));
    expect(factsOf(again.effects)).toEqual([]);

    const dependencies = {
      crypto: nodeSuite.crypto,
      signer: nodeSuite.signer('client 6'),
      random: seededRandom('new'),
    };
    const restarted = federation.sum.client(6, dependencies, [...facts[6]!, ...factsOf(first.effects)]);
    const statement = { round: ROUND, survivors: without(0) };
    const { rosterHash, dealers } = rosterOf(scene);
    const signatures = without(0).map((member) =>
      nodeSuite.signer(`client ${member}`).sign(survivorsStatement(block, { rosterHash, dealers }, statement)),
    );
    const other = encodeUnmask(block, { ...statement, signers: without(0), signatures });
    for (const client of [first.party, restarted]) {
      // All other clients may have conspired: the signatures are valid.
      expect(refusalOf(message(client, other).effects)).toMatch(/signed for or answered other survivors of round 1/);
      expect(sentOf(message(client, bytes).effects)).toEqual(sentOf(first.effects));
      expect(sentOf(client.step({ type: 'resume' }).effects)).toEqual(sentOf(first.effects));
    }
    // The same request is answered by a client that has not answered yet, so it was the memory that refused.
    expect(message(scene.clients[6]!, other).effects.map(({ type }) => type)).toEqual(['persist', 'send']);
  });

  it('a signature is given for one set a round, also after a restart', () => {
    const { block, federation, clients, facts } = masked();
    const first = message(clients[2]!, encodeSurvivors(block, { round: ROUND, survivors: without(5) }));
    const dependencies = {
      crypto: nodeSuite.crypto,
      signer: nodeSuite.signer('client 2'),
      random: seededRandom('new'),
    };
    const restarted = federation.sum.client(2, dependencies, [...facts[2]!, ...factsOf(first.effects)]);
    for (const client of [first.party, restarted]) {
      const other = message(client, encodeSurvivors(block, { round: ROUND, survivors: everybody }));
      expect(refusalOf(other.effects)).toMatch(/signed for other survivors of round 1/);
      expect(sentOf(client.step({ type: 'resume' }).effects)).toEqual(sentOf(first.effects));
    }
  });

  it('an aggregator that shows different survivors to different clients opens nothing', () => {
    const { block, clients } = masked();
    const views = [everybody, without(6)];
    const signatures = views.map((survivors, view) =>
      without(6)
        .filter((member) => member % 2 === view)
        .map((member) => {
          const { party, effects } = message(clients[member]!, encodeSurvivors(block, { round: ROUND, survivors }));
          clients[member] = party;
          return { member, signature: decodeConsent(block, sentOf(effects)[0]!).signature };
        }),
    );
    const all = signatures.flat().sort((a, b) => a.member - b.member);
    for (const survivors of views) {
      const request = encodeUnmask(block, {
        round: ROUND,
        survivors,
        signers: all.map(({ member }) => member),
        signatures: all.map(({ signature }) => signature),
      });
      for (const member of survivors) {
        const reason = refusalOf(message(clients[member]!, request).effects);
        expect(reason).toMatch(/3 valid signatures .* 5 are needed|signed for or answered other survivors/);
      }
    }
  });

  it('a client gives both shares of nobody, over any requests', () => {
    const scene = masked();
    const { bytes } = certificate(scene, without(3));
    const { party, effects } = message(scene.clients[0]!, bytes);
    const [answer] = sentOf(effects);
    // One share of 16 bytes for each of the seven dealers.
    expect(answer).toHaveLength(12 + 16 * CLIENTS);
    const leaks = [everybody, without(3), without(5), without(3, 5)].flatMap((survivors) => {
      const request = encodeSurvivors(scene.block, { round: ROUND, survivors });
      return sentOf(message(party, request).effects).concat(sentOf(message(party, bytes).effects));
    });
    const answers = leaks.filter((one) => one[1] === 10).map(toHex);
    expect(new Set(answers)).toEqual(new Set([toHex(answer!)]));
  });
});

describe('forged and foreign messages', () => {
  it('clients refuse a roster that is not the coordinator’s, not complete, or not the first', () => {
    const block = blockOf(3);
    const federation = new Federation(block, doubleMasking(block));
    const rosters: Uint8Array[] = [];
    const other = new Federation(block, doubleMasking(block), {}, { seed: 'other clients' });
    for (const one of [federation, other]) {
      one.setUp();
      // Fact 2 of a client is the roster that it accepted.
      rosters.push(one.clientFacts[0]![1]!.subarray(1));
    }
    const [own, foreign] = rosters as [Uint8Array, Uint8Array];
    const dependencies = {
      crypto: nodeSuite.crypto,
      signer: nodeSuite.signer('client 0'),
      random: seededRandom('federation/0'),
    };
    const fresh = federation.sum.client(0, dependencies).step({ type: 'join' }).party;
    expect(refusalOf(message(fresh, foreign).effects)).toMatch(/does not hold what this client said hello with/);
    const forged = Uint8Array.from(own);
    forged[forged.length - 1] = forged[forged.length - 1]! ^ 1;
    expect(refusalOf(message(fresh, forged).effects)).toMatch(/not signed by the coordinator/);
    expect(refusalOf(message(fresh, own.subarray(0, -1)).effects)).toMatch(/too few/);
    const accepted = message(fresh, own);
    expect(accepted.effects.map(({ type }) => type)).toEqual(['persist', 'send']);
    expect(refusalOf(message(accepted.party, foreign).effects)).toMatch(/another roster/);
  });

  it('clients mask with no fewer peers than the plan and the threshold demand', () => {
    const block = blockOf(CLIENTS, { minSurvivors: THRESHOLD });
    const federation = new Federation(block, doubleMasking(block));
    federation.setUp();
    const [joined, roster, delivered] = federation.clientFacts[0]!;
    const dependencies = { crypto: nodeSuite.crypto, signer: nodeSuite.signer('client 0'), random: seededRandom('x') };
    const before = federation.sum.client(0, dependencies, [joined!, roster!]);
    const { sealed } = decodeDelivered(block, [5, 6], delivered!.subarray(1));
    const few = encodeDelivered(block, { dealers: [0, 1, 2], sealed: [] });
    expect(refusalOf(message(before, few).effects)).toMatch(/dealers: 3 survivors, at least 5 are needed/);
    const strangers = encodeDelivered(block, { dealers: without(0), sealed });
    expect(refusalOf(message(before, strangers).effects)).toMatch(/not among the dealers/);
  });

  it('the coordinator refuses forged, replayed and equivocating messages', () => {
    const block = blockOf(4, { number: 1 });
    const earlier = blockOf(4, { number: 0 });
    const [now, before] = [block, earlier].map((one) => {
      const federation = new Federation(one, doubleMasking(one), {}, { seed: `block ${toHex(one.session)}` });
      federation.setUp();
      federation.run(0, everybody.slice(0, 4).map((i) => Int32Array.of(i)), BITS); // prettier-ignore
      return federation;
    }) as [Federation, Federation];
    const ofKind = (federation: Federation, kind: string, from: number) =>
      federation.sent.find((one) => one.kind === kind && one.from === from)!.message;
    const { coordinatorFacts } = now;
    const dependencies = { crypto: nodeSuite.crypto, signer: nodeSuite.signer('coordinator') };
    /** A coordinator after its first facts, up to and including one of this kind. */
    const after = (...kinds: number[]) => {
      const last = coordinatorFacts.findLastIndex((fact) => kinds.includes(fact[0]!));
      return now.sum.coordinator(dependencies, coordinatorFacts.slice(0, last + 1));
    };
    const reason = (coordinator: ReturnType<typeof after>, from: number, bytes: Uint8Array) => {
      const { effects } = coordinator.step({ type: 'message', from, message: bytes });
      return effects.map((effect) => (effect.type === 'refuse' ? effect.reason : effect.type)).join();
    };
    const flipped = (bytes: Uint8Array, at: number) =>
      Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte));

    const empty = now.sum.coordinator(dependencies);
    expect(reason(empty, 0, ofKind(now, 'hello', 0))).toBe('persist');
    expect(reason(empty, 1, ofKind(now, 'hello', 0))).toMatch(/hello of member 1 is not signed/);
    expect(reason(empty, 0, flipped(ofKind(now, 'hello', 0), 12))).toMatch(/hello of member 0 is not signed/);
    expect(reason(empty, 0, flipped(ofKind(now, 'hello', 0), ofKind(now, 'hello', 0).length - 1))).toMatch(
      /commitments/,
    );
    expect(reason(empty, 0, ofKind(before, 'hello', 0))).toMatch(/another session/);
    expect(reason(empty, 9, ofKind(now, 'hello', 0))).toMatch(/no member 9/);
    expect(reason(empty, 0, Uint8Array.of(1, 99))).toMatch(/no unknown message/);

    const dealt = after(4);
    expect(reason(dealt, 0, ofKind(now, 'hello', 0))).toBe('send');
    expect(reason(dealt, 0, flipped(ofKind(now, 'hello', 0), 12))).toMatch(/another hello/);
    expect(reason(dealt, 0, ofKind(now, 'shares', 0))).toBe('send');
    expect(reason(dealt, 0, flipped(ofKind(now, 'shares', 0), 20))).toMatch(/other shares/);
    expect(reason(dealt, 0, ofKind(now, 'masked', 0))).toMatch(/no round is open/);

    const open = after(5);
    expect(reason(open, 0, ofKind(before, 'masked', 0))).toMatch(/another session/);
    const included = after(6);
    expect(reason(included, 0, ofKind(now, 'masked', 0))).toMatch(/in the sum of the round already/);
    expect(reason(open, 0, encodeConsent(block, { round: 0, signature: new Uint8Array(64) }))).toMatch(/not asked/);

    const closed = after(8);
    expect(reason(closed, 1, ofKind(now, 'consent', 0))).toMatch(/member 1 has not signed/);
    expect(reason(closed, 0, ofKind(now, 'answer', 0))).toMatch(/not asked for an answer/);

    const certified = after(10);
    expect(reason(certified, 0, ofKind(now, 'consent', 0))).toBe('send');
    // Its signature is not one of the three; the certificate has been sent to it already.
    expect(reason(certified, 3, ofKind(now, 'consent', 3))).toBe('');
  });
});

/** What the clients of the scene hold about their block. */
function rosterOf({ block, federation }: ReturnType<typeof masked>) {
  const roster = federation.clientFacts[0]![1]!.subarray(1);
  const { members } = decodeRoster(nodeSuite.crypto.sha256, block, roster);
  return { rosterHash: rosterHashOf(nodeSuite.crypto.sha256, block, members), dealers: everybody };
}
