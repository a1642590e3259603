import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { fromHex, toHex } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { CompactRange, leafHash, nodeHash } from './merkle-tree.ts';
import { MerkleTree } from './verify/merkle.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());

/** Leaves and roots of the Certificate Transparency reference implementation (merkle tree tests of google/certificate-transparency). */
const CT_LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const CT_ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** The definition in RFC 6962, section 2.1, word for word. */
function slowRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(sha256, slowRoot(leaves.slice(0, k)), slowRoot(leaves.slice(k)));
}

function rangeOf(leaves: readonly Uint8Array[]): CompactRange {
  const range = CompactRange.empty(sha256);
  for (const leaf of leaves) range.append(leaf);
  return range;
}

const leavesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => leafHash(sha256, Uint8Array.of(i >> 8, i & 255)));
const sizes = fc.integer({ min: 1, max: 70 });

describe('CompactRange', () => {
  it('has the roots of the Certificate Transparency vectors', () => {
    const range = CompactRange.empty(sha256);
    expect(toHex(range.root())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    CT_LEAVES.forEach((leaf, i) => {
      range.append(leafHash(sha256, fromHex(leaf)));
      expect(toHex(range.root())).toBe(CT_ROOTS[i]);
    });
  });

  it('agrees with the recursion, as does the verifier, at every size', () => {
    const range = CompactRange.empty(sha256);
    const tree = new MerkleTree(sha256);
    const leaves = leavesOf(130);
    leaves.forEach((leaf, i) => {
      range.append(leaf);
      tree.add(leaf);
      const root = slowRoot(leaves.slice(0, i + 1));
      expect(range.root()).toEqual(root);
      expect(tree.root(i + 1)).toEqual(root);
    });
    expect(tree.root(77)).toEqual(slowRoot(leaves.slice(0, 77)));
  });

  it('goes on from its text as if it had never stopped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70 }), sizes, (before, more) => {
        const leaves = leavesOf(before + more);
        const resumed = CompactRange.parse(sha256, rangeOf(leaves.slice(0, before)).serialize());
        for (const leaf of leaves.slice(before)) resumed.append(leaf);
        expect(resumed.size).toBe(before + more);
        expect(resumed.root()).toEqual(slowRoot(leaves));
      }),
    );
  });

  it.each(['', '1:', '0:00', `3:${'00'.repeat(32)}`, `1:${'0g'.repeat(32)}`, `01:${'00'.repeat(32)}`])(
    'refuses "%s"',
    (text) => {
      expect(() => CompactRange.parse(sha256, text)).toThrow('not a compact range');
    },
  );
});
