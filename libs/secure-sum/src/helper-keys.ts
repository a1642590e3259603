import { concatBytes } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import { context, KEY_BYTES, type SecureSumCrypto } from './crypto.ts';

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
