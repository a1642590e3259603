import { describe, expect, it } from '@jest/globals';
import { concatBytes } from '@fedcarbon/kernel';
import { shareBytes } from './block.ts';
import { blockOf, Federation, nodeSuite, seededRandom } from './federation.support.ts';
import { doubleMasking, type Graph } from './index.ts';
import { maskingClient, type MaskingClientState } from './masking-client.ts';
import { BlockKeys } from './secrets.ts';
import { interpolate } from './shamir.ts';
import { isSentShare } from './topology.ts';

/** What every client knows after the set-up. */
function setUp(clients: number, graph: Graph) {
  const block = blockOf(clients, { graph });
  const federation = new Federation(block, doubleMasking(block));
  expect(federation.setUp()).toBe(true);
  const states = block.members.map((_, member) => {
    const dependencies = { ...nodeSuite, signer: nodeSuite.signer(`client ${member}`), random: seededRandom('none') };
    const { initial, apply } = maskingClient(block, member, dependencies);
    return federation.clientFacts[member]!.reduce<MaskingClientState>((state, fact) => apply(state, fact), initial);
  });
  return { block, states, keys: new BlockKeys(nodeSuite.crypto, block.session) };
}

/** All ways to choose `size` of `items`. */
function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) => subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]));
}

describe.each<[number, Graph]>([
  [3, { kind: 'complete' }],
  [6, { kind: 'complete' }],
  [12, { kind: 'sparse', degree: 6, threshold: 4 }],
])('shares among %d clients', (clients, graph) => {
  const { block, states, keys } = setUp(clients, graph);
  const { topology } = states[0]!.setup!;
  const dealers = block.members.map((_, member) => member);

  it('implied or sent: every threshold of them gives the secrets of all rounds back', () => {
    for (const dealer of dealers) {
      const seed = states[dealer]!.seed!;
      const rounds = Array.from({ length: block.rounds }, (_, round) => round);
      const secrets = concatBytes(
        ...rounds.map((round) => keys.selfSeed(seed, round)),
        ...rounds.map((round) => keys.keySeed(seed, round)),
      );
      const known = (holder: number) => states[holder]!.peers!.shares.get(dealer)!;
      const points = topology.holders(dealer).map((holder, i) => ({ x: i + 1, y: known(holder) }));
      for (const chosen of subsets(points, topology.threshold)) expect(interpolate(chosen, 0)).toEqual(secrets);
      expect(interpolate(points.slice(1, topology.threshold), 0)).not.toEqual(secrets);
    }
  });

  it('threshold - 1 of a dealer’s holders are sent nothing, the others their share', () => {
    for (const dealer of dealers) {
      const others = topology.neighbours(dealer);
      const sent = others.filter((holder) => isSentShare(topology, dealer, holder));
      expect(others.length - sent.length).toBe(topology.threshold - 1);
      expect([...states[dealer]!.setup!.dealt.keys()]).toEqual([...sent, dealer].sort((a, b) => a - b));
    }
    if (graph.kind === 'sparse') return;
    for (const holder of dealers) {
      const senders = topology.neighbours(holder).filter((dealer) => isSentShare(topology, dealer, holder));
      expect(senders).toHaveLength(clients - topology.threshold);
    }
  });

  it('implied shares differ by dealer, holder and roster, and are nobody else’s to compute', () => {
    const all = dealers.flatMap((dealer) =>
      topology.neighbours(dealer).map((holder) => {
        const { shared, rosterHash } = states[dealer]!.setup!;
        expect(states[holder]!.setup!.shared.get(dealer)).toEqual(shared.get(holder));
        const share = (hash: Uint8Array) =>
          keys.impliedShare(shared.get(holder)!, hash, dealer, holder, shareBytes(block)).join();
        expect(share(rosterHash)).not.toEqual(share(nodeSuite.crypto.sha256(rosterHash)));
        return share(rosterHash);
      }),
    );
    expect(new Set(all).size).toBe(all.length);
  });
});
