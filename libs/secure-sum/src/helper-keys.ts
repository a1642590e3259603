import { concatBytes } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import { context, KEY_BYTES, type SecureSumCrypto } from './crypto.ts';
import type { SumShape } from './partial-sum.ts';

/** Key that seals the seed of `member` in `round`, from the secret shared with the helper. Bound to both public keys, as in HPKE (RFC 9180, section 4.1). */
export function seedSealKey(
  crypto: SecureSumCrypto,
  block: Block,
  shared: Uint8Array,
  { member, round }: { readonly member: number; readonly round: number },
  publicKeys: { readonly ephemeral: Uint8Array; readonly helper: Uint8Array },
): Uint8Array {
  const info = concatBytes(context('helper-seal', member, round), publicKeys.ephemeral, publicKeys.helper);
  return crypto.hkdf(shared, block.session, info, KEY_BYTES);
}

/** Key of the mask of a seed. */
export function helperMaskKey(
  crypto: SecureSumCrypto,
  block: Block,
  seed: Uint8Array,
  { member, round }: { readonly member: number; readonly round: number },
): Uint8Array {
  return crypto.hkdf(seed, block.session, context('helper-mask', member, round), KEY_BYTES);
}

/**
 * What a client signs: that a sealed seed is the one of its vector of this shape in the round. Else the coordinator could send the helper one client's seed
 * among seeds of its own, and take that client's mask off alone.
 */
export function sealedSeedStatement(
  block: Block,
  member: number,
  { round, length, bits }: SumShape,
  sealed: Uint8Array,
): Uint8Array {
  const numbers = context('sealed-seed', member, round, bits, length >>> 16, length & 0xffff);
  return concatBytes(numbers, block.session, sealed);
}
