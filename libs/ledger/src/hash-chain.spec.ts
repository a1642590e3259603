import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { fromUtf8, toHex } from '@fedcarbon/kernel';
import { entryBytes, receiptMessage } from './entries.ts';
import type { LedgerEntry } from './entries.ts';
import { exportLines } from './export.ts';
import { HashChain } from './hash-chain.support.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const hexDigest = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest('hex');

const completed: LedgerEntry = {
  kind: 'federation.completed',
  planHash: 'ab'.repeat(32),
  reason: 'planned',
  rounds: 25,
};

describe('the hash chain', () => {
  it('stores the canonical text of an entry, its kind and version inside', () => {
    expect(fromUtf8(entryBytes(completed))).toBe(
      `{"kind":"federation.completed","planHash":"${'ab'.repeat(32)}","reason":"planned","rounds":25,"v":1}`,
    );
  });

  it('hashes 0x00 and the bytes into a leaf, and every leaf onto the chain before it', () => {
    const chain = new HashChain(sha256);
    const first = chain.append(completed);
    const second = chain.append({ ...completed, rounds: 26 });
    const leaf = (body: Uint8Array) => hexDigest(Uint8Array.of(0), body);
    expect(toHex(first.leafHash)).toBe(leaf(first.body));
    expect(toHex(first.chainHash)).toBe(hexDigest(new Uint8Array(32), first.leafHash));
    expect(toHex(second.chainHash)).toBe(hexDigest(first.chainHash, second.leafHash));
    expect(chain.entries).toEqual([first, second]);
    expect(chain.entries.map(({ seq }) => seq)).toEqual([0, 1]);
  });

  it('is exported as one line of JSON per entry', () => {
    const chain = new HashChain(sha256);
    const { leafHash, chainHash, body } = chain.append(completed);
    const lines = [...exportLines('fedcarbon/x', chain.entries, [{ note: 'note\n', size: 1 }])].map((line) =>
      JSON.parse(line),
    );
    expect(lines).toEqual([
      { fedcarbon: 'ledger-export', version: 1, origin: 'fedcarbon/x', size: 1 },
      { seq: 0, leafHash: toHex(leafHash), chainHash: toHex(chainHash), body: Buffer.from(body).toString('base64url') },
      { checkpoint: 'note\n', size: 1 },
    ]);
  });
});

describe('receiptMessage', () => {
  it('puts the domain label in front of the canonical receipt', () => {
    const receipt = {
      verdict: 'accepted',
      region: 'north',
      attempt: 1,
      holder: 'anna',
      planHash: 'p',
      roundId: 'r',
      updateDigest: 'd',
    } as const;
    expect(fromUtf8(receiptMessage(receipt))).toBe(
      'fedcarbon/receipt/v1\n{"attempt":1,"holder":"anna","planHash":"p","region":"north","roundId":"r","updateDigest":"d","verdict":"accepted"}',
    );
  });
});
