import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type Course,
  type Federation,
  type FederationEffect,
  type FederationEvent,
  notStarted,
  stepFederation,
} from './index.ts';

const course: Course = {
  rounds: 3,
  spareRounds: 2,
  regions: 2,
  members: 10,
  quorum: 6,
  globalDeadlineMs: 1000,
  masked: false,
};
const report = (index: number, region: string, participants: number, goneForGood = 0): FederationEvent => ({
  type: 'report',
  index,
  region,
  tally: { participants, goneForGood },
});

function play(events: readonly (readonly [number, FederationEvent])[], masked = false) {
  let federation: Federation = notStarted;
  const effects: FederationEffect[] = [];
  for (const [atMs, event] of events) {
    const step = stepFederation({ ...course, masked }, federation, event, atMs);
    federation = step.federation;
    effects.push(...step.effects);
  }
  return { federation, effects, lines: effects.map(line) };
}

function line(effect: FederationEffect): string {
  if (effect.type === 'openRound') return `open ${String(effect.index)} ${effect.purpose}`;
  if (effect.type === 'closeRound')
    return `close ${String(effect.index)} ${effect.outcome} ${String(effect.participants)}`;
  if (effect.type === 'setUp') return 'set up';
  if (effect.type === 'closeSum') return `sum ${String(effect.index)}`;
  return `complete ${effect.reason} ${String(effect.rounds)}`;
}

/** Both regions report `participants` in all for rounds `from` to `to`. */
const full = (from: number, to: number, participants = 10): (readonly [number, FederationEvent])[] =>
  Array.from({ length: to - from + 1 }, (_, k) => from + k).flatMap((index) => [
    [index * 10, report(index, 'north', participants - 1)] as const,
    [index * 10 + 1, report(index, 'south', 1)] as const,
  ]);

describe('the course of a federation', () => {
  it('runs the planned rounds, then the benchmarks, then ends', () => {
    const { lines, federation } = play([[0, { type: 'start' }], ...full(1, 4)]);
    expect(lines).toEqual([
      'open 1 model',
      ...['close 1 released 10', 'open 2 model'],
      ...['close 2 released 10', 'open 3 model'],
      ...['close 3 released 10', 'open 4 benchmarks'],
      ...['close 4 released 10', 'complete planned 3'],
    ]);
    expect(federation.completed).toBe(true);
  });

  it('abandons a round below the quorum and makes up for it from the spare rounds', () => {
    const { lines } = play([[0, { type: 'start' }], ...full(1, 1, 5), ...full(2, 5)]);
    expect(lines.filter((text) => text.startsWith('close'))).toEqual([
      'close 1 abandoned 5',
      'close 2 released 10',
      'close 3 released 10',
      'close 4 released 10',
      'close 5 released 10',
    ]);
    expect(lines.at(-1)).toBe('complete planned 3');
  });

  it('ends early when the spare rounds run out, still with benchmarks', () => {
    const { lines } = play([[0, { type: 'start' }], ...full(1, 4, 5), ...full(5, 6)]);
    expect(lines.slice(-3)).toEqual(['open 6 benchmarks', 'close 6 released 10', 'complete ended_early 1']);
  });

  it('ends at once when too few members are left for a quorum', () => {
    const { lines } = play([
      [0, { type: 'start' }],
      [1, report(1, 'north', 0, 3)],
      [2, report(1, 'south', 2, 2)],
    ]);
    expect(lines).toEqual(['open 1 model', 'close 1 abandoned 2', 'complete ended_early 0']);
  });

  it('closes at the deadline with the regions that have reported', () => {
    const { lines } = play([
      [0, { type: 'start' }],
      [5, report(1, 'north', 7)],
      [999, { type: 'tick' }],
      [1000, { type: 'tick' }],
    ]);
    expect(lines).toEqual(['open 1 model', 'close 1 released 7', 'open 2 model']);
  });

  it('ignores second reports, reports of other rounds, and a second start', () => {
    const { lines } = play([
      [0, { type: 'start' }],
      [1, report(2, 'north', 9)],
      [2, report(1, 'north', 7)],
      [3, report(1, 'north', 9)],
      [4, { type: 'start' }],
      [5, report(1, 'south', 1)],
      [6, report(1, 'south', 1)],
    ]);
    expect(lines).toEqual(['open 1 model', 'close 1 released 8', 'open 2 model']);
  });

  it('under any events: indices count up by one, at most one round is open, never more charges than were paid for, and it ends', () => {
    const event = fc.oneof(
      fc.constant<FederationEvent>({ type: 'tick' }),
      fc
        .tuple(fc.integer({ min: 1, max: 8 }), fc.constantFrom('north', 'south'), fc.integer({ min: 0, max: 5 }))
        .map(([index, region, participants]) => report(index, region, participants)),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const timeline = events.map((given, k) => [k * 300, given] as const);
        // Time goes on without further messages.
        const ticks = Array.from(
          { length: 8 },
          (_, k) => [(events.length + 4 * (k + 1)) * 300, { type: 'tick' }] as const,
        );
        const { federation, effects } = play([[0, { type: 'start' }], ...timeline, ...ticks]);
        expect(federation.completed).toBe(true);
        expect(federation.rounds.map(({ index }) => index)).toEqual(federation.rounds.map((_, k) => k + 1));
        const models = federation.rounds.filter(({ purpose }) => purpose === 'model').length;
        expect(models).toBeLessThanOrEqual(course.rounds + course.spareRounds);
        expect(federation.rounds.filter(({ purpose }) => purpose === 'benchmarks').length).toBeLessThanOrEqual(1);
        let open = 0;
        for (const effect of effects) {
          if (effect.type === 'openRound') open++;
          if (effect.type === 'closeRound') {
            open--;
            expect(effect.outcome === 'released').toBe(effect.participants >= course.quorum);
          }
          expect(open === 0 || open === 1).toBe(true);
        }
      }),
    );
  });
});

describe('the course of a federation whose updates are masked', () => {
  const start = [0, { type: 'start' }] as const;
  const ready = [10, { type: 'ready' }] as const;
  const opened = (index: number, participants = 10): FederationEvent => ({ type: 'opened', index, participants });
  const abandoned = (index: number): FederationEvent => ({ type: 'abandoned', index, reason: 'too few' });
  const rounds = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, k) => from + k).flatMap((index) => [
      ...full(index, index),
      [index * 10 + 2, opened(index)] as const,
    ]);

  it('sets the secure sum up, then runs each round in two stages', () => {
    const { lines } = play([start, ready, ...rounds(1, 4)], true);
    expect(lines).toEqual([
      ...['set up', 'open 1 model'],
      ...['sum 1', 'close 1 released 10', 'open 2 model'],
      ...['sum 2', 'close 2 released 10', 'open 3 model'],
      ...['sum 3', 'close 3 released 10', 'open 4 benchmarks'],
      ...['sum 4', 'close 4 released 10', 'complete planned 3'],
    ]);
  });

  it('ends without a round when the secure sum cannot be set up', () => {
    const { lines, federation } = play([start, [5, { type: 'failed' }], ready], true);
    expect(lines).toEqual(['set up', 'complete ended_early 0']);
    expect(federation.completed).toBe(true);
  });

  it('opens no round before it is started and set up', () => {
    expect(play([ready], true).lines).toEqual([]);
    expect(play([start, start, [1, { type: 'tick' }], [2, opened(1)]], true).lines).toEqual(['set up']);
  });

  it('closes the sum at the deadline, and the round only as the secure sum says', () => {
    const { lines } = play(
      [
        ...[start, ready, [11, report(1, 'north', 7)] as const, [20, opened(1)] as const],
        ...[[1009, { type: 'tick' }] as const, [1010, { type: 'tick' }] as const, [5000, { type: 'tick' }] as const],
        ...[[5001, opened(2)] as const, [5002, abandoned(2)] as const, [5003, abandoned(1)] as const],
        ...[[5004, opened(1)] as const],
      ],
      true,
    );
    expect(lines).toEqual(['set up', 'open 1 model', 'sum 1', 'close 1 abandoned 7', 'open 2 model']);
  });

  it('makes up for an abandoned round from the spare ones, and ends when no quorum is left', () => {
    const { lines } = play(
      [
        start,
        ready,
        ...full(1, 1),
        [12, abandoned(1)],
        [20, report(2, 'north', 2, 5)],
        [21, report(2, 'south', 3)],
        [22, abandoned(2)],
      ],
      true,
    );
    expect(lines).toEqual([
      ...['set up', 'open 1 model', 'sum 1', 'close 1 abandoned 10'],
      ...['open 2 model', 'sum 2', 'close 2 abandoned 5', 'complete ended_early 0'],
    ]);
  });

  const failed = (index: number, candidates: number): FederationEvent => ({
    ...{ type: 'abandoned', index, reason: 'wrong shares', candidates },
  });

  it('waits with the next round until the secure sum is set up anew', () => {
    const { lines } = play(
      [
        start,
        ready,
        ...full(1, 1),
        [12, failed(1, 9)],
        [13, { type: 'tick' }],
        [14, opened(1)],
        [15, { type: 'ready' }],
      ],
      true,
    );
    expect(lines).toEqual(['set up', 'open 1 model', 'sum 1', 'close 1 abandoned 10', 'set up', 'open 2 model']);
  });

  it('ends when too few are left to set the secure sum up anew, or no round is', () => {
    const ended = ['set up', 'open 1 model', 'sum 1', 'close 1 abandoned 10', 'complete ended_early 0'];
    expect(play([start, ready, ...full(1, 1), [12, failed(1, 5)]], true).lines).toEqual(ended);
    const again = [start, ready, ...full(1, 1), [12, failed(1, 9)] as const, [13, { type: 'failed' }] as const];
    expect(play(again, true).lines).toEqual([...ended.slice(0, -1), 'set up', ...ended.slice(-1)]);
    const last = play([start, ready, ...rounds(1, 3), ...full(4, 4), [50, failed(4, 9)]], true);
    expect(last.lines.slice(-2)).toEqual(['close 4 abandoned 10', 'complete ended_early 3']);
  });
});
