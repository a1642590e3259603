import { describe, expect, it } from '@jest/globals';
import { type Residues, sumModulo, toResidues } from '@fedcarbon/codec';
import { blockOf, Federation, nodeSuite, seededRandom } from './federation.support.ts';
import { doubleMasking, twoServers } from './index.ts';
import { maskOf, negated } from './masks.ts';
import { BlockKeys } from './secrets.ts';
import { decodeMasked } from './v1/round-messages.ts';

/**
 * What the aggregators see beyond the sum must be uniform. Inputs are constant, so anything that leaks shows. Counts over cells of equal probability,
 * chi-square; the seed is fixed, the false-alarm rate of each test over seeds is 1e-6 (quantiles by Wilson and Hilferty).
 */
const LENGTH = 8000;
const BITS = 2;
const ROUND = 0;
const QUANTILE_AT_1E6: Readonly<Record<number, number>> = { 4: 31.1, 16: 57.4 };

function chiSquare(...columns: readonly Residues[]): { statistic: number; limit: number } {
  const cells = (2 ** BITS) ** columns.length;
  const counts = new Array<number>(cells).fill(0);
  for (let i = 0; i < LENGTH; i++) {
    const cell = columns.reduce((index, column) => index * 2 ** BITS + column[i]!, 0);
    counts[cell] = counts[cell]! + 1;
  }
  const expected = LENGTH / cells;
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return { statistic, limit: QUANTILE_AT_1E6[cells]! };
}

function expectUniform(...columns: readonly Residues[]): void {
  const { statistic, limit } = chiSquare(...columns);
  expect(statistic).toBeLessThan(limit);
}

function expectFarFromUniform(...columns: readonly Residues[]): void {
  const { statistic, limit } = chiSquare(...columns);
  expect(statistic).toBeGreaterThan(100 * limit);
}

const constant = (value: number) => new Int32Array(LENGTH).fill(value);
const minus = (a: Residues, b: Residues) => sumModulo([a, negated(b, BITS)], BITS);

/** Four clients, a round in which the members of `late` send their vectors too late, and what an aggregator can compute then. */
function view(late: readonly number[] = []) {
  const block = blockOf(4, { rounds: 1, minSurvivors: 3 });
  const federation = new Federation(block, doubleMasking(block), {
    alive: (member, phase) => !(phase === 'masked' && late.includes(member)),
  });
  federation.setUp();
  const outcome = federation.run(ROUND, [constant(1), constant(0), constant(3), constant(1)], BITS);
  const keys = new BlockKeys(nodeSuite.crypto, block.session);
  const seed = (member: number) => federation.clientFacts[member]![0]!.subarray(1);
  const selfMask = (member: number) =>
    maskOf(nodeSuite.crypto, keys.selfMaskKey(keys.selfSeed(seed(member), ROUND), member, ROUND), LENGTH, BITS);
  const pairMask = (low: number, high: number) => {
    const privateKey = keys.maskPrivateKey(keys.keySeed(seed(low), ROUND), low, ROUND);
    const other = keys.maskPrivateKey(keys.keySeed(seed(high), ROUND), high, ROUND);
    const shared = nodeSuite.crypto.x25519(privateKey)(nodeSuite.crypto.x25519PublicKey(other));
    return maskOf(nodeSuite.crypto, keys.pairMaskKey(shared, [low, high], ROUND), LENGTH, BITS);
  };
  const sentVector = (member: number) => {
    const late = federation.client(member).step({
      type: 'contribute',
      round: ROUND,
      values: constant(member === 1 ? 0 : member === 2 ? 3 : 1),
      bits: BITS,
    });
    const sent = late.effects.find((effect) => effect.type === 'send')!;
    return decodeMasked(block, 0, sent.message).values;
  };
  return { outcome, selfMask, pairMask, sentVector };
}

describe("the aggregators' view under double masking", () => {
  it('after the opening, all vectors but the last are jointly uniform: the sum is all that is known', () => {
    const { outcome, selfMask, sentVector } = view();
    expect(outcome.type).toBe('opened');
    // The answers open every survivor's own mask.
    const opened = [0, 1, 2, 3].map((member) => minus(sentVector(member), selfMask(member)));
    for (const [a, b] of [[0, 1], [1, 2], [0, 2], [2, 3]] as const) expectUniform(opened[a]!, opened[b]!); // prettier-ignore
    // A region's sum is as uniform.
    expectUniform(sumModulo([opened[0]!, opened[1]!], BITS), opened[2]!);
    // The test can fail: together they are the sum.
    expectFarFromUniform(sumModulo(opened, BITS));
  });

  it('a vector that came too late stays hidden by its own mask, though its keys are opened', () => {
    const { outcome, selfMask, pairMask, sentVector } = view([1]);
    expect(outcome).toMatchObject({ type: 'opened', survivors: [0, 2, 3] });
    const keysOpened = sumModulo(
      [sentVector(1), pairMask(0, 1), negated(pairMask(1, 2), BITS), negated(pairMask(1, 3), BITS)],
      BITS,
    );
    expectUniform(keysOpened);
    expectUniform(keysOpened, minus(sentVector(0), selfMask(0)));
    expect(minus(keysOpened, selfMask(1))).toEqual(toResidues(constant(0), BITS));
  });

  it('with the same coins, two inputs of one sum differ in the masked vectors only, and there by their difference', () => {
    const inputs = [
      [[5, -3], [0, 0], [1, 9], [2, 2]],
      [[0, 1], [7, -4], [1, 9], [0, 2]],
    ].map((vectors) => vectors.map((vector) => Int32Array.from(vector))); // prettier-ignore
    const views = inputs.map((vectors) => {
      const block = blockOf(4, { rounds: 1, minSurvivors: 3 });
      const federation = new Federation(block, doubleMasking(block), {}, { seed: 'coins' });
      federation.setUp();
      return { block, federation, outcome: federation.run(ROUND, vectors, 12) };
    });
    const [a, b] = views as [(typeof views)[0], (typeof views)[0]];
    expect(a.outcome).toEqual(b.outcome);
    expect(b.federation.sent).toHaveLength(a.federation.sent.length);
    a.federation.sent.forEach((sent, i) => {
      const other = b.federation.sent[i]!;
      if (sent.kind !== 'masked') return expect(other).toEqual(sent);
      const [x, y] = [sent, other].map(({ message }) => decodeMasked(a.block, 0, message).values);
      const [from, to] = inputs.map((vectors) => vectors[sent.from]!);
      const shift = from!.map((value, k) => to![k]! - value);
      expect(sumModulo([x!, toResidues(shift, 12)], 12)).toEqual(y);
    });
  });
});

describe("the first server's view with two servers", () => {
  it('every share is uniform, and so are two together', () => {
    const helper = nodeSuite.crypto.x25519PublicKey(new Uint8Array(32).fill(9));
    const block = blockOf(3);
    const sum = twoServers(block, helper);
    const shares = [0, 1, 2].map((member) => {
      const dependencies = { crypto: nodeSuite.crypto, signer: nodeSuite.signer(`client ${member}`) };
      const client = sum.client(member, { ...dependencies, random: seededRandom(`two servers ${member}`) });
      const { effects } = client.step({ type: 'contribute', round: 0, values: constant(1), bits: BITS });
      const sent = effects.find((effect) => effect.type === 'send')!;
      return decodeMasked(block, sum.sealedBytes, sent.message).values;
    });
    expectUniform(shares[0]!, shares[1]!);
    expectUniform(sumModulo(shares, BITS));
    expectFarFromUniform(toResidues(constant(1), BITS));
  });
});
