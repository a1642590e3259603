import { describe, expect, it } from '@jest/globals';
import { blockOf, Federation, nodeSuite, toySuite } from './federation.support.ts';
import { doubleMasking, type Graph, maskingCost } from './index.ts';

const ROUNDS = 25;
/** Broker headers of a message: the signature as base64url, its name, the message id. */
const HEADER = 100;

describe('maskingCost', () => {
  it.each<[number, number, number, Graph]>([
    [20, 51, 12, { kind: 'complete' }],
    [5, 48, 10, { kind: 'complete' }],
    [30, 51, 12, { kind: 'sparse', degree: 8, threshold: 6 }],
  ])('of %d clients is what leaves and reaches one', (clients, length, bits, graph) => {
    const block = blockOf(clients, { rounds: ROUNDS, graph, suite: toySuite });
    const federation = new Federation(block, doubleMasking(block), {}, { suite: toySuite });
    federation.setUp();
    const vectors = block.members.map(() => new Int32Array(length).fill(1));
    // Two rounds stand for all: what a round costs does not depend on the round.
    const setup = { up: [...federation.traffic.up], down: [...federation.traffic.down] };
    for (const round of [0, 1]) expect(federation.run(round, vectors, bits).type).toBe('opened');
    const cost = maskingCost({ clients, rounds: ROUNDS, graph, length, bits });
    const mean = (list: number[]) => list.reduce((sum, bytes) => sum + bytes, 0) / list.length;
    const inCommittee = block.members.map((_, i) =>
      federation.sent.some(({ from, kind }) => kind === 'consent' && from === i),
    );
    const ofRound = (before: number[], after: number[]) =>
      mean(after.map((bytes, i) => (bytes - before[i]!) / 2).filter((_, i) => inCommittee[i]));
    expect(mean(setup.up) / ROUNDS + ofRound(setup.up, federation.traffic.up)).toBeCloseTo(cost.bytesUp, 6);
    expect(mean(setup.down) / ROUNDS + ofRound(setup.down, federation.traffic.down)).toBeCloseTo(cost.bytesDown, 6);
  });

  it('of the set-up of 28 rounds at 20 clients is 7 kB up and 25 kB down', () => {
    const block = blockOf(20, { rounds: 28, suite: toySuite });
    const federation = new Federation(block, doubleMasking(block), {}, { suite: toySuite });
    federation.setUp();
    for (const bytes of federation.traffic.up) expect(bytes).toBeLessThan(7_000);
    for (const bytes of federation.traffic.down) expect(bytes).toBeLessThan(25_200);
  });

  it('stays within 1.9 kB up, 3.6 kB down a round and 140 kB in 25 rounds, with headers, at 20 clients', () => {
    for (const length of [48, 51]) {
      for (const bits of [10, 12]) {
        const cost = maskingCost({ clients: 20, rounds: ROUNDS, graph: { kind: 'complete' }, length, bits });
        const aggregate = 5 + Math.ceil((length * bits) / 8);
        // Up: hello, shares; masked, consent, answer. Down: roster, delivered; opening with the last sum, survivors, unmask.
        const up = cost.bytesUp + 3 * HEADER + (2 * HEADER) / ROUNDS;
        const down = cost.bytesDown + aggregate + 3 * HEADER + (2 * HEADER) / ROUNDS;
        expect(up).toBeLessThanOrEqual(1900);
        expect(down).toBeLessThanOrEqual(3600);
        expect(ROUNDS * (up + down)).toBeLessThanOrEqual(140_000);
      }
    }
  });

  it('counts the masks, shares and signatures that a client really makes', () => {
    const block = blockOf(12, { rounds: 1, minSurvivors: 9 });
    const calls = { chacha20: 0, verifySignature: 0 };
    const crypto = {
      ...nodeSuite.crypto,
      chacha20: (key: Uint8Array, length: number) => {
        calls.chacha20++;
        return nodeSuite.crypto.chacha20(key, length);
      },
      verifySignature: (...args: Parameters<typeof nodeSuite.crypto.verifySignature>) => {
        calls.verifySignature++;
        return nodeSuite.crypto.verifySignature(...args);
      },
    };
    const federation = new Federation(block, doubleMasking(block));
    federation.setUp();
    federation.run(0, block.members.map(() => Int32Array.of(1, 2)), 12); // prettier-ignore
    const facts = federation.clientFacts[0]!;
    const restarted = (count: number) =>
      federation.sum.client(
        0,
        { crypto, signer: nodeSuite.signer('client 0'), random: { bytes: () => new Uint8Array(32) } },
        facts.slice(0, count),
      );
    const cost = maskingCost({ clients: 12, rounds: 1, graph: { kind: 'complete' }, length: 2, bits: 12 });
    // Facts: joined, roster, delivered, masked, consented, answered.
    const ready = restarted(3);
    calls.chacha20 = 0;
    ready.step({ type: 'contribute', round: 0, values: Int32Array.of(1, 2), bits: 12 });
    expect(calls.chacha20).toBe(cost.masksPerRound);
    const consented = restarted(5);
    calls.verifySignature = 0;
    const unmask = federation.coordinatorSends('unmask');
    const { effects } = consented.step({ type: 'message', message: unmask });
    expect(calls.verifySignature).toBe(cost.signaturesPerRound);
    const answer = effects.find((effect) => effect.type === 'send')!.message;
    expect((answer.length - 12) / 16).toBe(cost.sharesPerRound);
  });
});
