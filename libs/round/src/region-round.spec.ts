import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type RegionEffect, type RegionEvent, type RegionRound, stepRegion } from './index.ts';

const DEADLINE_MS = 1000;
const fresh = (picked: readonly string[]): RegionRound => ({
  picked,
  deadlineAtMs: DEADLINE_MS,
  answers: new Map(),
  reported: false,
});
const update = (holder: string, attempt = 1, updateDigest = `${holder}/${String(attempt)}`): RegionEvent => ({
  type: 'update',
  holder,
  attempt,
  updateDigest,
});

/** Plays events on a fake clock and collects the effects. */
function play(round: RegionRound, events: readonly (readonly [number, RegionEvent])[]) {
  let current = round;
  const effects: RegionEffect[] = [];
  for (const [atMs, event] of events) {
    const step = stepRegion(current, event, atMs);
    current = step.round;
    effects.push(...step.effects);
  }
  return { round: current, effects };
}
const verdicts = (effects: readonly RegionEffect[]) =>
  effects.map((effect) =>
    effect.type === 'receipt' ? `${effect.holder}/${String(effect.attempt)}:${effect.verdict}` : 'report',
  );

describe("a region's round", () => {
  it('reports as soon as everybody has answered', () => {
    const { effects } = play(fresh(['a', 'b', 'c']), [
      [10, update('a')],
      [20, { type: 'decline', holder: 'b' }],
      [30, update('c')],
    ]);
    expect(verdicts(effects)).toEqual(['a/1:accepted', 'c/1:accepted', 'report']);
  });

  it('reports at the deadline with what it has, and calls the rest late', () => {
    const { round, effects } = play(fresh(['a', 'b']), [
      [10, update('a')],
      [999, { type: 'tick' }],
      [1000, { type: 'tick' }],
      [1001, update('b')],
      [1002, { type: 'tick' }],
    ]);
    expect(verdicts(effects)).toEqual(['a/1:accepted', 'report', 'b/1:late']);
    expect([...round.answers.keys()]).toEqual(['a']);
  });

  it('takes the first message at or after the deadline as late and as the clock', () => {
    expect(verdicts(play(fresh(['a', 'b']), [[1000, update('b')]]).effects)).toEqual(['b/1:late', 'report']);
  });

  it('answers the same digest the same and a second one as a duplicate, also after the report', () => {
    const { effects } = play(fresh(['a']), [
      [1, update('a', 2)],
      [2, update('a', 2)],
      [3, update('a', 1)],
      [2000, update('a', 2)],
    ]);
    expect(verdicts(effects)).toEqual(['a/2:accepted', 'report', 'a/2:accepted', 'a/1:duplicate', 'a/2:accepted']);
  });

  it('rejects what cannot be used and who was not picked, and still takes a good update later', () => {
    const { effects } = play(fresh(['a']), [
      [1, { ...update('a'), problem: 'wrong shape' } as RegionEvent],
      [2, update('z')],
      [3, update('a', 2)],
    ]);
    expect(verdicts(effects)).toEqual(['a/1:rejected', 'z/1:rejected', 'a/2:accepted', 'report']);
  });

  it('lets a holder that declined change its mind, and not one that has sent', () => {
    const { round, effects } = play(fresh(['a', 'b']), [
      [1, { type: 'decline', holder: 'a' }],
      [2, update('a')],
      [3, { type: 'decline', holder: 'a' }],
    ]);
    expect(verdicts(effects)).toEqual(['a/1:accepted']);
    expect(round.answers.get('a')?.kind).toBe('accepted');
  });

  it('reports at once when nobody was picked', () => {
    expect(verdicts(play(fresh([]), [[0, { type: 'tick' }]]).effects)).toEqual(['report']);
  });

  it('under any messages in any order: one report, at most one accepted update a holder, nothing accepted outside the report', () => {
    const holders = ['a', 'b', 'c', 'd'];
    const event = fc.oneof(
      fc.record({ type: fc.constant('tick' as const) }),
      fc.record({ type: fc.constant('decline' as const), holder: fc.constantFrom(...holders, 'z') }),
      fc
        .record({
          holder: fc.constantFrom(...holders, 'z'),
          attempt: fc.integer({ min: 1, max: 3 }),
          bad: fc.boolean(),
        })
        .map(
          ({ holder, attempt, bad }) =>
            ({ ...update(holder, attempt), ...(bad ? { problem: 'bad' } : {}) }) as RegionEvent,
        ),
    );
    const timeline = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 1500 }), event), { maxLength: 40 })
      .map((events) => [...events].sort(([a], [b]) => a - b));
    fc.assert(
      fc.property(timeline, (events) => {
        const { round, effects } = play(fresh(holders), [...events, [1500, { type: 'tick' }]]);
        expect(effects.filter(({ type }) => type === 'report')).toHaveLength(1);
        const accepted = new Set<string>();
        for (const effect of effects) {
          if (effect.type === 'receipt' && effect.verdict === 'accepted')
            accepted.add(`${effect.holder}/${String(effect.attempt)}`);
        }
        const inRound = [...round.answers].flatMap(([holder, answer]) =>
          answer.kind === 'accepted' ? [`${holder}/${String(answer.attempt)}`] : [],
        );
        expect([...accepted].sort()).toEqual(inRound.sort());
        expect(new Set(inRound.map((key) => key.split('/')[0])).size).toBe(inRound.length);
      }),
    );
  });
});
