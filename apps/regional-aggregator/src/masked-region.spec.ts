import type { RoundOpened } from '@fedcarbon/contracts';
import { memberIndex, secureSumOf, summationOf, sumShape } from '@fedcarbon/round';
import type { ClientEffect, CoordinatorEffect } from '@fedcarbon/secure-sum';
import { cryptoRandom, secureSumCrypto, sha256, verifySignature } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { ExampleRegion } from './example-region.support.ts';
import { openUpdate, problemOf } from './messages.ts';

const example = new ExampleRegion({ masked: true });
const { plan, planHash, region } = example.place;
const holders = ['alder', 'birch', 'cedar', 'date'];

/** Exchanges keys among all holders, without any broker; returns each one's masked message of the first round. */
function maskedMessages(values: (holder: string) => Int32Array): Map<string, Uint8Array> {
  const secureSum = secureSumOf(plan, planHash, sha256);
  const dependencies = (name: string) => ({
    ...{ crypto: secureSumCrypto, signer: example.signer(name), random: cryptoRandom },
  });
  let coordinator = secureSum.coordinator(dependencies('global'));
  const clients = holders.map((holder) => secureSum.client(memberIndex(plan, holder), dependencies(holder)));
  const fromClient = (from: number, effects: readonly ClientEffect[]) => {
    for (const effect of effects) {
      if (effect.type !== 'send') continue;
      const step = coordinator.step({ type: 'message', from, message: effect.message });
      coordinator = step.party;
      fromCoordinator(step.effects);
    }
  };
  const fromCoordinator = (effects: readonly CoordinatorEffect[]) => {
    for (const effect of effects) {
      if (effect.type !== 'send' || effect.to === 'helper') continue;
      for (const to of effect.to) {
        const step = clients[to]?.step({ type: 'message', message: effect.message });
        if (step === undefined) throw new Error(`no client ${String(to)}`);
        clients[to] = step.party;
        fromClient(to, step.effects);
      }
    }
  };
  holders.forEach((_, member) => {
    const step = clients[member]?.step({ type: 'join' });
    if (step === undefined) throw new Error('no client');
    clients[member] = step.party;
    fromClient(member, step.effects);
  });
  return new Map(
    holders.map((holder, member) => {
      const effects =
        clients[member]?.step({ type: 'contribute', round: 0, values: values(holder), bits: 16 }).effects ?? [];
      const sent = effects.find((effect) => effect.type === 'send');
      if (sent?.type !== 'send') throw new Error(`${holder} sent nothing: ${JSON.stringify(effects)}`);
      return [holder, sent.message];
    }),
  );
}

describe('a region whose updates are masked', () => {
  const opened = example.opened();
  const masked = maskedMessages(() => new Int32Array(opened.length).fill(1));
  const [alder] = region.members;
  if (alder === undefined) throw new Error('no member');
  const problem = (payload: Uint8Array, round: RoundOpened = opened) => {
    const signed = example.signUpdate(example.update('alder', { payload, opened }));
    const update = openUpdate(example.place, alder, signed, { sha256, verifySignature });
    return problemOf(example.place, alder, round, update, verifySignature);
  };
  const own = masked.get('alder') ?? new Uint8Array();

  it('takes masked messages of the round, and nothing else', () => {
    expect(problem(own)).toBeUndefined();
    expect(problem(example.payload(1, opened))).toBeDefined();
    expect(problem(own.subarray(0, -1))).toBeDefined();
    expect(problem(new Uint8Array())).toBeDefined();
    const second = { ...opened, index: 2 };
    expect(() => {
      example.place.summation.checkUpdate(second, own);
    }).toThrow(/for round 1, found/);
  });

  it('takes nothing of a holder that is not in the secure sum of the round, and nothing of another block', () => {
    expect(problem(own, { ...opened, absent: [0] })).toBe('this holder is not in the secure sum of the round');
    expect(problem(own, { ...opened, absent: [1] })).toBeUndefined();
    expect(problem(own, { ...opened, block: 2 })).toMatch(/belongs to another session/);
  });

  it('adds them into a sum that says whose it is', () => {
    const { summation } = example.place;
    const part = new Map([...masked].filter(([holder]) => holder !== 'date'));
    const sum = summation.add(opened, part);
    const holdersInSum = ['cedar', 'alder', 'birch'];
    expect(() => {
      summation.checkSum(opened, holdersInSum, sum);
    }).not.toThrow();
    expect(() => {
      summation.checkSum(opened, ['alder', 'birch'], sum);
    }).toThrow(/the sum is of members 0, 1, 2, the updates of 0, 1/);
    expect(() => {
      summation.checkSum(opened, ['alder', 'birch', 'date'], sum);
    }).toThrow(/of 0, 1, 3/);
    // Another federation's plan has other blocks.
    expect(() => {
      summationOf(plan, 'e'.repeat(64), sha256).checkSum(opened, holdersInSum, sum);
    }).toThrow();
    expect(sumShape(plan, opened)).toEqual({ round: 0, length: 8, bits: 16 });
  });
});
