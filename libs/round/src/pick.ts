import { concatBytes, fromHex, type Sha256, toHex, utf8 } from '@fedcarbon/kernel';

/**
 * The clients of a region for one round: all of them, or the `count` whose SHA-256(seed || holder) is smallest. The seed is in the ledger, so anybody can
 * repeat the choice. Sorted by name. No privacy is claimed from this sampling: every event is charged in full.
 */
export function pickClients(
  members: readonly string[],
  count: number | null,
  seedHex: string,
  sha256: Sha256,
): readonly string[] {
  if (count === null || count >= members.length) return [...members].sort();
  const seed = fromHex(seedHex);
  const ranked = members.map((holder) => ({ holder, rank: toHex(sha256(concatBytes(seed, utf8(holder)))) }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return ranked
    .slice(0, count)
    .map(({ holder }) => holder)
    .sort();
}
