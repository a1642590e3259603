import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import type { RandomSource } from '@fedcarbon/kernel';

/** Bytes drawn from the generator at a time: samplers ask for a few bytes at once, very often. */
const BLOCK_BYTES = 65_536;

/** Hands out a stream of bytes, block by block. */
function fromBlocks(nextBlock: () => Uint8Array): RandomSource {
  let block = nextBlock();
  let used = 0;
  return {
    bytes(length: number): Uint8Array {
      const out = new Uint8Array(length);
      for (let filled = 0; filled < length;) {
        if (used === block.length) {
          block = nextBlock();
          used = 0;
        }
        const part = block.subarray(used, used + length - filled);
        out.set(part, filled);
        filled += part.length;
        used += part.length;
      }
      return out;
    },
  };
}

/**
 * The same bytes for the same seed: the AES-256-CTR key stream under SHA-256(seed). For tests and simulations that must be
 * repeatable. NEVER in production: whoever knows the seed can subtract the noise.
 */
export function seededRandom(seed: number | string): RandomSource {
  const key = createHash('sha256').update(`fedcarbon test seed ${seed}`).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(BLOCK_BYTES);
  return fromBlocks(() => cipher.update(zeros));
}

/** The operating system's cryptographic generator. */
export function systemRandom(): RandomSource {
  return fromBlocks(() => randomBytes(BLOCK_BYTES));
}
