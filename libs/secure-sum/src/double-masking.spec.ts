import { describe, expect, it } from '@jest/globals';
import { sumModulo } from '@fedcarbon/codec';
import { doubleMasking } from './index.ts';
import { blockOf, Federation, seededRandom } from './federation.support.ts';

const vectorsOf = (clients: number, length: number, seed: string) => {
  const random = seededRandom(seed);
  return Array.from({ length: clients }, () => Int32Array.from({ length }, () => random.below(41) - 20));
};

describe('double masking', () => {
  it('smoke', () => {
    for (const n of [5, 20, 50]) {
      const block = blockOf(n, { rounds: 25 });
      const federation = new Federation(block, doubleMasking(block));
      const t0 = performance.now();
      expect(federation.setUp()).toBe(true);
      const t1 = performance.now();
      const vectors = vectorsOf(n, 51, 'a');
      const outcome = federation.run(0, vectors, 12);
      const t2 = performance.now();
      console.log(
        n,
        t1 - t0,
        t2 - t1,
        federation.traffic.up[0],
        federation.traffic.down[0],
        federation.refusals,
        outcome,
      );
      expect(outcome).toMatchObject({ type: 'opened', sum: sumModulo(vectors, 12) });
    }
  });
});
