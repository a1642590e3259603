import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Fact } from './facts.ts';
import {
  attemptsOf,
  ContradictoryFactError,
  EMPTY_STATE,
  fold,
  isAnswered,
  type JournalState,
  nextAttempt,
  openAttempt,
  spentEvents,
  unansweredUpdates,
} from './state.ts';

const planHash = 'a'.repeat(64);
const event = { kind: 'discreteGaussian' as const, sigmaSquared: 64, sensitivitySquared: 8, steps: 1 };
const signature = 'A'.repeat(86);
const roundId = (index: number) => `${planHash.slice(0, 12)}-${String(index)}`;
const digestOf = (n: number) => n.toString(16).padStart(64, '0');

const prepared = (index: number, attempt: number, digest: string): Fact => ({
  kind: 'prepared',
  ...{ planHash, roundId: roundId(index), attempt, event, digest, payload: 'AAAA', deadlineAtMs: 1 },
});
const committed = (index: number, attempt: number, digest: string): Fact => ({
  kind: 'committed',
  ...{ roundId: roundId(index), attempt },
  commit: {
    statement: {
      ...{ holder: 'alder', dataset: 'stock', planHash, roundId: roundId(index), attempt, event },
      updateDigest: digest,
    },
    signature,
  },
});
const abandoned = (index: number, attempt: number, charged: boolean): Fact => ({
  kind: 'abandoned',
  ...{ planHash, roundId: roundId(index), attempt, event, charged },
  reason: charged ? 'digest_conflict' : 'expired',
});
const receipt = (index: number, attempt: number, digest: string): Fact => ({
  kind: 'receipt',
  ...{ roundId: roundId(index), attempt, digest, signature },
  verdict: 'accepted',
});
const rebuilt = (...charges: [index: number, attempt: number, status: 'reserved' | 'committed'][]): Fact => ({
  kind: 'rebuilt',
  charges: charges.map(([index, attempt, status]) => ({
    ...{ planHash, roundId: roundId(index), attempt, event, status },
    ...(status === 'committed' ? { updateDigest: digestOf(999) } : {}),
  })),
});

/** What a trainer and its surroundings may do next in one of three rounds. */
type Step = 'prepare' | 'commit' | 'expire' | 'conflict' | 'lose' | 'receipt';
const steps = fc.array(
  fc.record({
    index: fc.integer({ min: 1, max: 3 }),
    step: fc.constantFrom<Step>('prepare', 'commit', 'expire', 'conflict', 'lose', 'receipt'),
  }),
  { maxLength: 40 },
);
const earlier = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('reserved' as const, 'committed' as const)), {
    selector: ([index]) => index,
  })
  .map((charges) => rebuilt(...charges.map(([index, status]): [number, number, typeof status] => [index, 1, status])));

/** Facts as the trainer writes them: `Trainer` in small, without anything but the choice of the next fact. */
function play(first: Fact, moves: readonly { index: number; step: Step }[]): Fact[] {
  const facts = [first];
  let state = fold(EMPTY_STATE, facts);
  let bytes = 0;
  for (const { index, step } of moves) {
    const open = openAttempt(state, roundId(index));
    const fact = next(state, index, step, open?.status, open?.attempt ?? nextAttempt(state, roundId(index)), () =>
      step === 'prepare' ? digestOf(++bytes) : (open?.digest ?? ''),
    );
    if (fact === undefined) continue;
    facts.push(fact);
    state = fold(state, [fact]);
  }
  return facts;
}

function next(
  state: JournalState,
  index: number,
  step: Step,
  status: string | undefined,
  attempt: number,
  digest: () => string,
): Fact | undefined {
  if (isAnswered(state, roundId(index))) return undefined;
  if (status === undefined) {
    if (step === 'prepare') return prepared(index, attempt, digest());
    return step === 'lose' ? abandoned(index, attempt, true) : undefined;
  }
  if (status === 'prepared') {
    if (step === 'commit') return committed(index, attempt, digest());
    if (step === 'expire') return abandoned(index, attempt, false);
    return step === 'conflict' ? abandoned(index, attempt, true) : undefined;
  }
  return step === 'receipt' ? receipt(index, attempt, digest()) : undefined;
}

describe('the journal, folded', () => {
  it('is the same in one go and in any two parts, and leaves its argument alone', () => {
    fc.assert(
      fc.property(earlier, steps, fc.nat(), (first, moves, cut) => {
        const facts = play(first, moves);
        const at = cut % (facts.length + 1);
        const half = fold(EMPTY_STATE, facts.slice(0, at));
        const before = JSON.stringify([...half.attempts]);
        expect(fold(half, facts.slice(at))).toEqual(fold(EMPTY_STATE, facts));
        expect(JSON.stringify([...half.attempts])).toBe(before);
      }),
    );
  });

  it('counts exactly what was charged or may still be, by a second reckoning', () => {
    fc.assert(
      fc.property(earlier, steps, (first, moves) => {
        const facts = play(first, moves);
        const cost = new Set<string>();
        for (const fact of facts) {
          if (fact.kind === 'rebuilt')
            for (const charge of fact.charges) cost.add(`${charge.roundId}/${charge.attempt}`);
          if (fact.kind === 'prepared') cost.add(`${fact.roundId}/${fact.attempt}`);
          if (fact.kind === 'abandoned') {
            if (fact.charged) cost.add(`${fact.roundId}/${fact.attempt}`);
            else cost.delete(`${fact.roundId}/${fact.attempt}`);
          }
        }
        expect(spentEvents(fold(EMPTY_STATE, facts))).toHaveLength(cost.size);
      }),
    );
  });

  it('never has two digests under one attempt, nor two attempts at once that may be published', () => {
    fc.assert(
      fc.property(earlier, steps, (first, moves) => {
        const facts = play(first, moves);
        const digests = new Map<string, Set<string>>();
        for (const fact of facts) {
          if (fact.kind !== 'prepared') continue;
          const key = `${fact.roundId}/${fact.attempt}`;
          digests.set(key, (digests.get(key) ?? new Set()).add(fact.digest));
        }
        for (const set of digests.values()) expect(set.size).toBe(1);
        const state = fold(EMPTY_STATE, facts);
        for (const index of [1, 2, 3]) {
          const open = attemptsOf(state, roundId(index)).filter(({ status }) => /prepared|committed/.test(status));
          expect(open.length).toBeLessThanOrEqual(1);
          for (const { attempt } of attemptsOf(state, roundId(index)))
            expect(nextAttempt(state, roundId(index))).toBeGreaterThanOrEqual(attempt);
        }
      }),
    );
  });

  it.each<[string, Fact[]]>([
    ['other bytes under an attempt', [prepared(1, 1, digestOf(1)), prepared(1, 1, digestOf(2))]],
    ['a charge of other bytes', [prepared(1, 1, digestOf(1)), committed(1, 1, digestOf(2))]],
    ['a charge of nothing', [committed(1, 1, digestOf(1))]],
    ['giving up what is charged', [prepared(1, 1, digestOf(1)), committed(1, 1, digestOf(1)), abandoned(1, 1, false)]],
    ['bytes under an attempt that was given up', [abandoned(1, 1, false), prepared(1, 1, digestOf(1))]],
    ['a receipt for bytes that were never made', [receipt(1, 1, digestOf(1))]],
    ['a second history', [rebuilt()]],
  ])('refuses %s', (_, facts) => {
    expect(() => fold(EMPTY_STATE, [rebuilt(), ...facts])).toThrow(ContradictoryFactError);
  });

  it('takes a reservation of a lost journal up again, and leaves a charge of it behind', () => {
    const state = fold(EMPTY_STATE, [rebuilt([1, 1, 'reserved'], [2, 1, 'committed'])]);
    expect(spentEvents(state)).toHaveLength(2);
    expect(spentEvents(state, `${roundId(1)}/1`)).toHaveLength(1);
    expect([1, 2, 3].map((index) => nextAttempt(state, roundId(index)))).toEqual([1, 2, 1]);
  });

  it('sends what is charged until it is answered', () => {
    const facts = [rebuilt(), prepared(1, 1, digestOf(1))];
    const charged = [...facts, committed(1, 1, digestOf(1))];
    expect(unansweredUpdates(fold(EMPTY_STATE, facts), planHash)).toHaveLength(0);
    expect(unansweredUpdates(fold(EMPTY_STATE, charged), planHash)).toHaveLength(1);
    expect(unansweredUpdates(fold(EMPTY_STATE, charged), 'b'.repeat(64))).toHaveLength(0);
    expect(unansweredUpdates(fold(EMPTY_STATE, [...charged, receipt(1, 1, digestOf(1))]), planHash)).toHaveLength(0);
  });
});
