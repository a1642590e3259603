import type { RandomSource } from '@fedcarbon/kernel';
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 65_536;

/**
 * Bytes of the operating system's generator, fetched 64 KiB at a time: noise needs millions of small draws. No byte is given out twice, and what
 * was given out is wiped here, so that a later look into memory does not reveal past noise.
 */
function pooledRandom(): RandomSource {
  const pool = new Uint8Array(POOL_BYTES);
  let next = POOL_BYTES;
  return {
    bytes(length) {
      if (length > POOL_BYTES) return randomFillSync(new Uint8Array(length));
      if (length > POOL_BYTES - next) {
        randomFillSync(pool);
        next = 0;
      }
      const bytes = pool.slice(next, next + length);
      pool.fill(0, next, next + length);
      next += length;
      return bytes;
    },
  };
}

/** The process's source of cryptographic randomness. */
export const cryptoRandom: RandomSource = pooledRandom();
