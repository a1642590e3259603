import { describe, expect, it } from '@jest/globals';
import { Batches } from './batches.ts';

describe('Batches', () => {
  it('hands over together what came in while a batch was at work, and keeps keys apart', async () => {
    const handled: [string, readonly number[]][] = [];
    const batches = new Batches<number>(async (key, items) => {
      handled.push([key, items]);
      await Promise.resolve();
    });
    await Promise.all([1, 2, 3].map((item) => batches.add('a', item)).concat(batches.add('b', 4)));
    await batches.add('a', 5);
    expect(handled).toEqual([
      ['a', [1]],
      ['b', [4]],
      ['a', [2, 3]],
      ['a', [5]],
    ]);
  });

  it('rejects all items of a failed batch and goes on with the next', async () => {
    const batches = new Batches<number>((_, items) =>
      items.includes(2) ? Promise.reject(new Error('no')) : Promise.resolve(),
    );
    const results = await Promise.allSettled([1, 2, 3].map((item) => batches.add('a', item)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(batches.add('a', 4)).resolves.toBeUndefined();
  });
});
