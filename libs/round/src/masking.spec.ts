import { exampleEvent, examplePlan, exampleSecureSum } from '@fedcarbon/contracts/testing';
import { toBase64Url, toHex } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import {
  lastIndex,
  maskingBlock,
  memberIndex,
  noiseSdOfSum,
  phaseDeadlineMs,
  roundShare,
  sumShape,
  summationOf,
} from './index.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const key = (name: string) => toBase64Url(sha256(new TextEncoder().encode(name)));
const planOf = (trust: 'local' | 'distributed') =>
  examplePlan({
    operatorKey: key('operator'),
    keys: { global: key('global'), accountant: key('accountant'), checkpoint: key('checkpoint') },
    privacy: { secureSum: trust === 'local' ? null : exampleSecureSum(3, { model: 500, benchmarks: 25 }, 1) },
    regions: [['north', ['birch', 'alder']] as const, ['east', ['date', 'cedar']] as const].map(([name, members]) => ({
      ...{ name, publicKey: key(`region ${name}`) },
      members: members.map((holder) => ({ holder, dataset: 'stock', publicKey: key(holder), nominalRecords: 100 })),
    })),
    recipe: { spareRounds: 2, event: exampleEvent(1000, 2) },
    benchmarks: { bits: 12, event: exampleEvent(50, 1) },
    round: { quorum: 4 },
  });
const [local, distributed] = [planOf('local'), planOf('distributed')];
const planHash = 'ab'.repeat(32);

describe('the block of a plan', () => {
  it('numbers holders in the order of the plan and covers every round that the plan can have', () => {
    const block = maskingBlock(distributed, planHash, sha256);
    expect(block.members.map(toBase64Url)).toEqual(['birch', 'alder', 'date', 'cedar'].map(key));
    expect(['birch', 'alder', 'date', 'cedar'].map((holder) => memberIndex(distributed, holder))).toEqual([0, 1, 2, 3]);
    expect(() => memberIndex(distributed, 'elder')).toThrow(expect.objectContaining({ code: 'not_a_member' }));
    expect(block.rounds).toBe(6);
    expect(lastIndex(distributed)).toBe(6);
    expect(toBase64Url(block.coordinatorKey)).toBe(key('global'));
    expect(toHex(block.planHash)).toBe(planHash);
  });

  it('is of this plan alone', () => {
    const session = (hash: string) => toHex(maskingBlock(distributed, hash, sha256).session);
    expect(session(planHash)).toBe(session(planHash));
    expect(session('cd'.repeat(32))).not.toBe(session(planHash));
  });

  it('opens nothing below the quorum', () => {
    expect(maskingBlock(distributed, planHash, sha256).minSurvivors).toBe(4);
  });

  it('is not there under local trust', () => {
    expect(() => maskingBlock(local, planHash, sha256)).toThrow(/trust "local" has no secure sum/);
  });
});

describe('the noise of a round', () => {
  it('is all of it or a share by holder, and adds up by its variance', () => {
    expect([roundShare(local, 'model'), roundShare(local, 'benchmarks')]).toEqual([1000, 50]);
    expect([roundShare(distributed, 'model'), roundShare(distributed, 'benchmarks')]).toEqual([500, 25]);
    expect(noiseSdOfSum(distributed, 'benchmarks', 4)).toBe(10);
  });
});

describe('the rounds of the secure sum', () => {
  it('are counted from 0', () => {
    expect(sumShape(distributed, { index: 1, purpose: 'model' })).toEqual({ round: 0, length: 8, bits: 16 });
    expect(sumShape(distributed, { index: 4, purpose: 'benchmarks' })).toEqual({ round: 3, length: 2, bits: 12 });
  });

  it('wait for holders as long as the plan says, and for regions as long as the round is open', () => {
    expect(phaseDeadlineMs(distributed, 'hello', 50, undefined)).toBeUndefined();
    expect(phaseDeadlineMs(distributed, 'hello', 50, 1000)).toBe(13_000);
    expect(phaseDeadlineMs(distributed, 'shares', 2000, 1000)).toBe(14_000);
    expect(phaseDeadlineMs(distributed, 'masked', 2000, 1000)).toBeUndefined();
    expect(phaseDeadlineMs(distributed, 'consent', 2000, 1000)).toBe(6000);
    expect(phaseDeadlineMs(distributed, 'answer', 2000, 1000)).toBe(6000);
  });
});

describe('the summation of a plan', () => {
  const round = { index: 1, purpose: 'model' } as const;

  it('adds what is not masked modulo 2^bits; of nothing it is zeros', () => {
    const summation = summationOf(local, planHash, sha256);
    const none = summation.add(round, new Map());
    summation.checkSum(round, [], none);
    expect(none.length).toBeGreaterThan(0);
    expect(() => {
      summation.checkSum({ index: 6, purpose: 'benchmarks' }, [], none);
    }).toThrow(/takes .* bytes/);
  });

  it('of masked updates is empty without any, and refuses what is no masked message', () => {
    const summation = summationOf(distributed, planHash, sha256);
    expect(summation.add(round, new Map())).toEqual(new Uint8Array());
    summation.checkSum(round, [], new Uint8Array());
    expect(() => {
      summation.checkSum(round, ['birch'], new Uint8Array());
    }).toThrow();
    const plain = summationOf(local, planHash, sha256).add(round, new Map());
    expect(() => {
      summation.checkUpdate(round, plain);
    }).toThrow();
  });
});
