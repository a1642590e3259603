import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { pickClients } from './index.ts';

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest();
const members = Array.from({ length: 9 }, (_, k) => `holder-${String(9 - k)}`);

describe('pickClients', () => {
  it('takes all members, sorted, when no count is asked for or the count covers them', () => {
    expect(pickClients(members, null, '00', sha256)).toEqual([...members].sort());
    expect(pickClients(members, 12, '00', sha256)).toEqual([...members].sort());
  });

  it('takes `count` members, the same for the same seed whatever their order', () => {
    const picked = pickClients(members, 4, 'ab'.repeat(32), sha256);
    expect(picked).toHaveLength(4);
    expect(pickClients([...members].reverse(), 4, 'ab'.repeat(32), sha256)).toEqual(picked);
  });

  it('gives every member its turn: over 600 seeds each is picked 200 to 340 times of an expected 267 (false alarm below 1e-7)', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 600; seed++) {
      const hex = seed.toString(16).padStart(64, '0');
      for (const holder of pickClients(members, 4, hex, sha256)) counts.set(holder, (counts.get(holder) ?? 0) + 1);
    }
    for (const count of counts.values()) {
      expect(count).toBeGreaterThan(200);
      expect(count).toBeLessThan(340);
    }
    expect(counts.size).toBe(members.length);
  });
});
