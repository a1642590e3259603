import { concatBytes } from '@fedcarbon/kernel';
import { type Block, shareBytes } from './block.ts';
import { SEED_BYTES, type SecureSumCrypto } from './crypto.ts';
import type { BlockKeys } from './secrets.ts';
import type { Setup } from './setup.ts';
import { interpolate } from './shamir.ts';
import { isSentShare } from './topology.ts';

/** What a client shares with each neighbour by X25519 of their session keys, by neighbour. */
export function sharedSecrets(
  member: number,
  seed: Uint8Array,
  { topology, entries }: Setup,
  { crypto, keys }: { readonly crypto: SecureSumCrypto; readonly keys: BlockKeys },
): Map<number, Uint8Array> {
  const agree = crypto.x25519(keys.sessionPrivateKey(seed));
  const sessionKey = (peer: number) => (entries.get(peer) as { sessionKey: Uint8Array }).sessionKey;
  return new Map(topology.neighbours(member).map((peer) => [peer, agree(sessionKey(peer))]));
}

/**
 * Shares of all of a client's self seeds, then of all its key seeds, for itself and for each holder that is sent its share. The other t - 1 holders know
 * theirs: a key stream of the secret that client and holder share (`BlockKeys.impliedShare`). These and the secrets fix the polynomials of degree t - 1.
 *
 * Secrecy is that of Shamir's sharing. Of fewer than t confederates, some know an implied share, which does not depend on the secrets; the implied shares
 * of the honest holders are uniform to them. Given the secrets and the confederates' implied shares, those that the others of them are sent are one for
 * one with as many of these uniform ones: uniform as well, whatever the secrets are.
 */
export function dealShares(
  block: Block,
  member: number,
  seed: Uint8Array,
  { rosterHash, topology }: Setup,
  shared: ReadonlyMap<number, Uint8Array>,
  keys: BlockKeys,
): Map<number, Uint8Array> {
  const rounds = Array.from({ length: block.rounds }, (_, round) => round);
  const secrets = concatBytes(
    ...rounds.map((round) => keys.selfSeed(seed, round)),
    ...rounds.map((round) => keys.keySeed(seed, round)),
  );
  const holders = topology.holders(member).map((holder, i) => ({ holder, x: i + 1 }));
  const isImplied = ({ holder }: { readonly holder: number }) =>
    holder !== member && !isSentShare(topology, member, holder);
  const implied = holders.filter(isImplied).map(({ holder, x }) => {
    const secret = shared.get(holder) as Uint8Array;
    return { x, y: keys.impliedShare(secret, rosterHash, member, holder, shareBytes(block)) };
  });
  const points = [{ x: 0, y: secrets }, ...implied];
  const others = holders.filter((one) => !isImplied(one));
  return new Map(others.map(({ holder, x }) => [holder, interpolate(points, x)]));
}

/** A dealer's share of the secret of `round` that may be opened: the self seed of who is in the sum, the key seed of who is not. */
export function shareOf({ rounds }: Block, shares: Uint8Array, round: number, inSum: boolean): Uint8Array {
  const at = SEED_BYTES * (inSum ? round : rounds + round);
  return shares.slice(at, at + SEED_BYTES);
}
