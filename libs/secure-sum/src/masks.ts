import type { Residues } from '@fedcarbon/codec';
import type { SecureSumCrypto } from './crypto.ts';

/**
 * The mask of a key: `length` residues modulo 2^bits, uniform to whoever lacks the key. Integer i is bytes 4i to 4i+3 of the ChaCha20 key stream,
 * little-endian, of which the low `bits` bits are kept.
 */
export function maskOf(crypto: SecureSumCrypto, key: Uint8Array, length: number, bits: number): Residues {
  const stream = crypto.chacha20(key, 4 * length);
  const low = 2 ** bits - 1;
  const mask = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const at = 4 * i;
    mask[i] =
      ((stream[at] as number) |
        ((stream[at + 1] as number) << 8) |
        ((stream[at + 2] as number) << 16) |
        ((stream[at + 3] as number) << 24)) &
      low;
  }
  return mask;
}

/** The mask of `key` with the other sign: adding both gives zero. */
export function negated(mask: Residues, bits: number): Residues {
  const low = 2 ** bits - 1;
  return mask.map((value) => -value & low);
}
