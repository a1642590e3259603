import { type Residues, sumModulo } from '@fedcarbon/codec';
import { equalBytes } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import type { SecureSumCrypto } from './crypto.ts';
import { maskOf, negated } from './masks.ts';
import type { SumShape } from './partial-sum.ts';
import type { BlockKeys } from './secrets.ts';
import type { Setup } from './setup.ts';
import { interpolate, type Share } from './shamir.ts';

/** All that the coordinator has of a round when it opens it. */
export interface MaskedSum {
  readonly shape: SumShape;
  readonly dealers: readonly number[];
  readonly survivors: readonly number[];
  /** Of the survivors' masked vectors, modulo 2^bits. */
  readonly sum: Residues;
  /** By survivor: its shares of the dealers whose secrets it holds, ascending by dealer. */
  readonly answers: ReadonlyMap<number, readonly Uint8Array[]>;
}

/** Dealers of whose secrets `holder` has shares, ascending. */
export function heldBy({ topology }: Setup, dealers: readonly number[], holder: number): number[] {
  const dealing = new Set(dealers);
  return topology.holders(holder).filter((member) => dealing.has(member));
}

/**
 * Takes the masks off: the survivors' own masks, and those that they share with dealers who are not in the sum. Every secret that is put together from
 * shares is compared with what its owner published of it in its hello, so a wrong share can keep a sum from being opened and never make it wrong.
 * Else the dealers with enough shares that do not give their secret; none while some dealer has too few.
 */
export function openSum(
  block: Block,
  setup: Setup,
  commitments: (member: number) => readonly Uint8Array[],
  { shape, dealers, survivors, sum, answers }: MaskedSum,
  crypto: SecureSumCrypto,
  keys: BlockKeys,
): { readonly sum: Residues } | { readonly wrong: readonly number[] } {
  const { round, length, bits } = shape;
  const { topology, entries } = setup;
  const inSum = new Set(survivors);
  // Asked after every answer: first the cheap question.
  for (const dealer of dealers) {
    const answered = topology.holders(dealer).reduce((count, holder) => count + (answers.has(holder) ? 1 : 0), 0);
    if (answered < topology.threshold) return { wrong: [] };
  }
  const held = new Map([...answers.keys()].map((holder) => [holder, heldBy(setup, dealers, holder)]));
  const pointsOf = (dealer: number): Share[] =>
    topology.holders(dealer).flatMap((holder, i) => {
      const y = answers.get(holder)?.[held.get(holder)?.indexOf(dealer) ?? -1];
      return y ? [{ x: i + 1, y }] : [];
    });
  const maskKey = (member: number) => entries.get(member)?.maskKeys[round] ?? new Uint8Array();
  const isRight = (dealer: number, secret: Uint8Array) =>
    inSum.has(dealer)
      ? equalBytes(keys.selfSeedCommitment(secret, dealer, round), commitments(dealer)[round] ?? new Uint8Array())
      : equalBytes(crypto.x25519PublicKey(keys.maskPrivateKey(secret, dealer, round)), maskKey(dealer));
  const secrets = new Map<number, Uint8Array>();
  for (const dealer of dealers) {
    const secret = recoverChecked(pointsOf(dealer), topology.threshold, (candidate) => isRight(dealer, candidate));
    if (secret) secrets.set(dealer, secret);
  }
  if (secrets.size < dealers.length) return { wrong: dealers.filter((dealer) => !secrets.has(dealer)) };
  const terms = [sum];
  for (const [dealer, seed] of secrets) {
    if (inSum.has(dealer)) {
      terms.push(negated(maskOf(crypto, keys.selfMaskKey(seed, dealer, round), length, bits), bits));
      continue;
    }
    const agree = crypto.x25519(keys.maskPrivateKey(seed, dealer, round));
    for (const peer of topology.neighbours(dealer)) {
      if (!inSum.has(peer)) continue;
      const mask = maskOf(crypto, keys.pairMaskKey(agree(maskKey(peer)), [dealer, peer], round), length, bits);
      // The peer added its mask with the dealer when the peer comes first.
      terms.push(peer < dealer ? negated(mask, bits) : mask);
    }
  }
  return { sum: sumModulo(terms, bits) };
}

/** Tries each run of `threshold` neighbouring shares, in a circle: a few wrong ones among many right ones are stepped around. */
function recoverChecked(
  points: readonly Share[],
  threshold: number,
  isRight: (secret: Uint8Array) => boolean,
): Uint8Array | undefined {
  const circle = [...points, ...points];
  const starts = points.length === threshold ? 1 : points.length;
  for (let start = 0; start < starts; start++) {
    const secret = interpolate(circle.slice(start, start + threshold), 0);
    if (isRight(secret)) return secret;
  }
  return undefined;
}
