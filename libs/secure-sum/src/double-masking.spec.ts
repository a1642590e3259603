import { describe, expect, it } from '@jest/globals';
import { sumModulo } from '@fedcarbon/codec';
import fc from 'fast-check';
import { blockOf, Federation, nodeSuite, type Outcome, seededRandom, toySuite } from './federation.support.ts';
import { type Block, completeThreshold, doubleMasking, type Phase } from './index.ts';

const BITS = 11;

function vectorsOf(clients: number, length: number, seed: string): Int32Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: clients }, () => Int32Array.from({ length }, () => random.below(401) - 200));
}

/** The right sum of whoever is in it, at least K_min of them, or nothing. */
function expectRightOrNothing(outcome: Outcome, vectors: readonly Int32Array[], { minSurvivors }: Block): void {
  if (outcome.type !== 'opened') return;
  expect(outcome.survivors.length).toBeGreaterThanOrEqual(minSurvivors);
  expect(outcome.sum).toEqual(
    sumModulo(
      outcome.survivors.map((member) => vectors[member]!),
      BITS,
    ),
  );
}

const PHASES: readonly Phase[] = ['hello', 'shares', 'masked', 'consent', 'answer'];

/** Who falls silent, and from which phase on. */
const dropouts = (clients: number, most: number) =>
  fc
    .shuffledSubarray(
      Array.from({ length: clients }, (_, i) => i),
      { maxLength: most },
    )
    .chain((members) =>
      fc
        .array(fc.nat({ max: PHASES.length - 1 }), { minLength: members.length, maxLength: members.length })
        .map((phases) => new Map(members.map((member, i) => [member, phases[i]!]))),
    );

describe('double masking', () => {
  it.each([3, 5, 20])('opens the sum of %d clients, round after round', (clients) => {
    const block = blockOf(clients, { rounds: 3 });
    const federation = new Federation(block, doubleMasking(block));
    expect(federation.setUp()).toBe(true);
    for (const round of [0, 2]) {
      const vectors = vectorsOf(clients, 9, `${round}`);
      const outcome = federation.run(round, vectors, BITS);
      expect(outcome).toMatchObject({ type: 'opened', round, sum: sumModulo(vectors, BITS) });
    }
  });

  it('opens the sum when regions add first, and the coordinator sees no single vector', () => {
    const block = blockOf(7);
    const federation = new Federation(block, doubleMasking(block));
    federation.setUp();
    const vectors = vectorsOf(7, 5, 'regions');
    const outcome = federation.run(0, vectors, BITS, [[0, 3, 4], [1, 2], [5, 6]]); // prettier-ignore
    expect(outcome).toMatchObject({ type: 'opened', sum: sumModulo(vectors, BITS) });
  });

  it('opens exactly when no more than n - t are lost, whatever the phase', () => {
    for (const phase of PHASES) {
      for (const lost of [2, 3]) {
        const block = blockOf(8, { minSurvivors: 5, suite: toySuite });
        const alive = (member: number, at: Phase) => member >= lost || PHASES.indexOf(at) < PHASES.indexOf(phase);
        const federation = new Federation(block, doubleMasking(block), { alive }, { suite: toySuite });
        const vectors = vectorsOf(8, 4, phase);
        const outcome = federation.setUp() ? federation.run(0, vectors, BITS) : federation.outcomes[0]!;
        // Who never says hello is not counted: five of the remaining five or six are more than their threshold.
        const survives = lost <= 8 - completeThreshold(8) || phase === 'hello';
        const otherwise = phase === 'shares' ? 'failed' : 'abandoned';
        expect([phase, lost, outcome.type]).toEqual([phase, lost, survives ? 'opened' : otherwise]);
        expectRightOrNothing(outcome, vectors, block);
      }
    }
  });

  it('seven clients: whichever two or fewer are lost, in whatever phases, the sum of who got that far opens', () => {
    const vectors = vectorsOf(7, 2, 'each');
    const block = blockOf(7, { rounds: 1, minSurvivors: 5, suite: toySuite });
    const never = PHASES.length;
    // A member with itself: single losses, and none. Of two, the second is lost no earlier; which of two numbers that is makes no difference.
    for (let one = 0; one < 7; one++) {
      for (let other = one; other < 7; other++) {
        for (let a = 0; a <= (other === one ? never : never - 1); a++) {
          for (let b = a; b <= (other === one ? a : never - 1); b++) {
            const lostAt = (member: number) => (member === one ? a : member === other ? b : never);
            const alive = (member: number, phase: Phase) => PHASES.indexOf(phase) < lostAt(member);
            const federation = new Federation(block, doubleMasking(block), { alive }, { suite: toySuite });
            federation.setUp();
            const outcome = federation.run(0, vectors, BITS);
            const survivors = [0, 1, 2, 3, 4, 5, 6].filter((member) => lostAt(member) > PHASES.indexOf('masked'));
            const sum = sumModulo(survivors.map((i) => vectors[i]!), BITS); // prettier-ignore
            if (outcome.type !== 'opened' || outcome.survivors.join() !== survivors.join()) {
              throw new Error(`${one} lost at ${a}, ${other} at ${b}: ${JSON.stringify(outcome)}`);
            }
            expect(outcome.sum).toEqual(sum);
          }
        }
      }
    }
  });

  it('gives the right sum or none: any subset of up to n - t lost at any phases, 5 to 50 clients', () => {
    const sizes = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 5, max: 20 }) }, fc.integer({ min: 21, max: 50 }));
    const scenario = sizes.chain((clients) =>
      fc.record({
        clients: fc.constant(clients),
        // Mostly few, as a phase's survivors are what the next one starts from; sometimes more than can be borne.
        lost: dropouts(clients, clients - completeThreshold(clients) + 1),
        minSurvivors: fc.integer({ min: Math.ceil(clients / 2), max: completeThreshold(clients) }),
      }),
    );
    let opened = 0;
    fc.assert(
      fc.property(scenario, ({ clients, lost, minSurvivors }) => {
        const block = blockOf(clients, { minSurvivors, rounds: 1, suite: toySuite });
        const alive = (member: number, phase: Phase) => (lost.get(member) ?? PHASES.length) > PHASES.indexOf(phase);
        const federation = new Federation(block, doubleMasking(block), { alive }, { suite: toySuite });
        const ready = federation.setUp();
        const bearable = lost.size <= clients - completeThreshold(clients);
        if (!ready) return expect(bearable).toBe(false);
        const vectors = vectorsOf(clients, 3, 'any');
        const outcome = federation.run(0, vectors, BITS);
        if (bearable) expect(outcome.type).toBe('opened');
        expectRightOrNothing(outcome, vectors, block);
        if (outcome.type === 'opened') opened++;
      }),
      { numRuns: 50, seed: 20261125 },
    );
    expect(opened).toBeGreaterThan(25);
  });

  it('an abandoned round stays closed, and the next one opens', () => {
    const block = blockOf(6, { minSurvivors: 5 });
    const alive = (member: number, phase: Phase, round?: number) => !(round === 0 && phase === 'masked' && member < 2);
    const federation = new Federation(block, doubleMasking(block), { alive });
    federation.setUp();
    const vectors = vectorsOf(6, 4, 'abandoned');
    expect(federation.run(0, vectors, BITS)).toMatchObject({
      type: 'abandoned',
      reason: '4 survivors, at least 5 are needed',
    });
    expect(federation.run(1, vectors, BITS)).toMatchObject({ type: 'opened', sum: sumModulo(vectors, BITS) });
    federation.coordinatorStep({ type: 'open', round: 0, length: 4, bits: BITS });
    expect(federation.refusals.at(-1)).toMatch(/round 0 is over/);
  });

  it('steps around wrong shares of one client and abandons the round when there are too many', () => {
    for (const [liars, expected] of [
      [1, 'opened'],
      [3, 'abandoned'],
    ] as const) {
      const block = blockOf(7, { minSurvivors: 5 });
      const federation = new Federation(block, doubleMasking(block));
      federation.setUp();
      const vectors = vectorsOf(7, 4, 'liars');
      const run = federation.coordinatorStep.bind(federation);
      federation.coordinatorStep = (event) => {
        if (event.type === 'message' && event.message[1] === 10 && event.from < liars) {
          const message = Uint8Array.from(event.message, (byte, i) => (i < 12 ? byte : byte ^ 1));
          run({ ...event, message });
        } else run(event);
      };
      const outcome = federation.run(0, vectors, BITS);
      expect(outcome.type).toBe(expected);
      expectRightOrNothing(outcome, vectors, block);
    }
  });

  it.each([
    ['is stepped around', [3], { type: 'opened' }],
    [
      'and that answers wrongly has the round abandoned and is named',
      [3, 10],
      { type: 'abandoned', reason: expect.stringContaining('member 2') },
    ],
  ])('a dealer whose seals do not open %s', (_, broken, expected) => {
    const block = blockOf(6, { minSurvivors: 5 });
    const federation = new Federation(block, doubleMasking(block));
    const run = federation.coordinatorStep.bind(federation);
    federation.coordinatorStep = (event) => {
      if (event.type === 'message' && broken.includes(event.message[1]!) && event.from === 2) {
        run({ ...event, message: Uint8Array.from(event.message, (byte, i) => (i < 12 ? byte : byte ^ 1)) });
      } else run(event);
    };
    federation.setUp();
    const vectors = vectorsOf(6, 4, 'bad dealer');
    const outcome = federation.run(0, vectors, BITS);
    expect(outcome).toMatchObject(expected);
    expectRightOrNothing(outcome, vectors, block);
  });

  it('crashes anywhere between persisting and sending change nothing', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), (clientSalt, coordinatorSalt) => {
        const block = blockOf(5, { rounds: 1, suite: toySuite });
        const one = (salt: number, fact: Uint8Array) =>
          fact.reduce((sum, byte) => (sum * 31 + byte) % 1009, salt) % 3 === 0;
        const faults = {
          crashes: (member: number, fact: Uint8Array) => one(clientSalt + member, fact),
          coordinatorCrashes: (fact: Uint8Array) => one(coordinatorSalt, fact),
        };
        const calm = new Federation(block, doubleMasking(block), {}, { suite: toySuite });
        const shaken = new Federation(block, doubleMasking(block), faults, { suite: toySuite });
        const vectors = vectorsOf(5, 3, 'crash');
        for (const federation of [calm, shaken]) {
          expect(federation.setUp()).toBe(true);
          expectRightOrNothing(federation.run(0, vectors, BITS), vectors, block);
        }
        const bytes = ({ sent }: Federation) => new Set(sent.map(({ from, message }) => `${from}:${message.join()}`));
        // The same masked vectors, consents and answers; nothing else ever left a client.
        for (const message of bytes(shaken)) expect(bytes(calm).has(message)).toBe(true);
      }),
      { numRuns: 25, seed: 7 },
    );
  });

  it('draws one seed a block, whatever is sent to a client', () => {
    const block = blockOf(3);
    let draws = 0;
    const random = { bytes: (length: number) => new Uint8Array(length).fill(++draws) };
    const client = doubleMasking(block).client(0, {
      crypto: nodeSuite.crypto,
      signer: nodeSuite.signer('client 0'),
      random,
    });
    const first = client.step({ type: 'join' });
    const second = first.party.step({ type: 'join' });
    expect(second.effects).toEqual(first.effects.filter(({ type }) => type === 'send'));
    expect(draws).toBe(1);
  });
});
