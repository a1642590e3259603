import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { barLine, Progress, type RoundProgress } from './presentation.ts';

const closed = (bytes: number, holders = 20): RoundProgress => ({
  round: {
    roundId: 'r',
    index: 7,
    purpose: 'model',
    outcome: 'released',
    participants: holders,
    bytes: { up: bytes, down: 3 * bytes },
    durationMs: 312,
  } as RoundProgress['round'],
  members: holders,
  epsilon: 0.8123,
  epsilonBudget: 1,
  accuracy: { r2: 0.2134, mae: 1, rmse: 1 },
});

describe('a closed round', () => {
  it('says on a terminal of 80 columns all that there is to say, and that R2 exists only in a simulation', () => {
    // 62 characters are left beside the bar.
    expect(barLine(closed(41_200), 62)).toBe('20/20 holders, 42↑ 124↓ kB, eps 0.81/1, R2 0.213 (simulation)');
  });

  it('leaves out the traffic first, then the holders', () => {
    expect(barLine(closed(41_200_000), 62)).toBe('20/20 holders, eps 0.81/1, R2 0.213 (simulation)');
    expect(barLine(closed(41_200), 40)).toBe('eps 0.81/1, R2 0.213 (simulation)');
  });

  it('never gets wider than what is left', () => {
    const sizes = fc.tuple(fc.nat({ max: 1e12 }), fc.nat({ max: 1e6 }), fc.nat({ max: 200 }));
    fc.assert(
      fc.property(sizes, ([bytes, holders, width]) => {
        expect(barLine(closed(bytes, holders), width).length).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('is a whole line without a terminal', () => {
    const lines: string[] = [];
    const progress = new Progress(false, (line) => lines.push(line));
    progress.start(12);
    progress.note('postgres ended and is started again');
    progress.closed(closed(41_200));
    progress.stop();
    expect(lines).toEqual([
      'postgres ended and is started again',
      'round 7 model, 20/20 holders, 41.2 kB up 123.6 kB down, epsilon 0.812 of 1, R2 0.213 (simulation only), 312 ms',
    ]);
  });
});
