import { toHex } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cryptoRandom } from './index.ts';

describe('cryptoRandom', () => {
  it('gives the asked number of bytes, above and below the size of its buffer', () => {
    for (const length of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
      expect(cryptoRandom.bytes(length)).toHaveLength(length);
    }
  });

  it('gives no byte out twice, wherever the draws cut its buffer', () => {
    // Any two of 40,000 draws of 16 bytes agree with probability below 1e-29.
    const seen = new Set<string>();
    let draws = 0;
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 5000 }), (length) => {
        const bytes = cryptoRandom.bytes(length);
        for (let i = 0; i + 16 <= length; i += 16) {
          seen.add(toHex(bytes.subarray(i, i + 16)));
          draws++;
        }
        // What a caller does to its bytes stays with it, and nothing leaks into the next draw.
        bytes.fill(0);
      }),
      { numRuns: 250 },
    );
    expect(draws).toBeGreaterThan(10_000);
    expect(seen.size).toBe(draws);
  });

  it('is uniform over byte values', () => {
    // Chi-squared, 255 degrees of freedom, n = 1,048,576 bytes; not seeded; 415 is its 1 - 1e-9 quantile, the false-alarm rate.
    const counts = new Float64Array(256);
    for (let i = 0; i < 1024; i++) for (const byte of cryptoRandom.bytes(1024)) counts[byte]!++;
    expect(counts.reduce((sum, count) => sum + (count - 4096) ** 2 / 4096, 0)).toBeLessThan(415);
  });
});
