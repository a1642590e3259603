import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { toBase64Url } from '@fedcarbon/kernel';
import type { Signer, VerifySignature } from '@fedcarbon/kernel';
import type { LedgerEntryKind } from '../entries.ts';
import { HOLDERS, LedgerScript, exportOf, soundEntries } from '../sound-ledger.support.ts';
import type { Keys } from '../sound-ledger.support.ts';
import { verifyLedger } from './index.ts';
import type { Verification } from './index.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** One key pair per name (RFC 8410 framing of a seed). */
function signer(name: string): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, sha256(Buffer.from(name))]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: new Uint8Array(Buffer.from(x ?? '', 'base64url')),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}
const verifySignature: VerifySignature = (publicKey, message, signature) => {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) }, format: 'jwk' });
  return verify(null, message, key, signature);
};
const keys: Keys = { sha256, signer };
const options = { publicKeys: { checkpoint: signer('checkpoint').publicKey }, sha256, verifySignature };

const entries = soundEntries(keys);
const lines = exportOf(keys, entries);
const check = (file: Iterable<string>) => verifyLedger(file, options);
const whatOf = ({ findings }: Verification) => findings.map(({ what }) => what).join('\n');

const seqOf = (kind: LedgerEntryKind, nth = 0) =>
  entries.flatMap((entry, seq) => (entry.kind === kind ? [seq] : []))[nth] ?? NaN;

describe('a sound ledger', () => {
  it('is found sound, with its clients and models', () => {
    const result = check(lines);
    expect(result.findings).toEqual([]);
    expect(result.verdict).toBe('sound');
    expect(result.size).toBe(entries.length);
    expect(result.root).toBe(
      Buffer.from(String(JSON.parse(lines.at(-1)!).checkpoint).split('\n')[2]!, 'base64').toString('hex'),
    );
    expect(result.clients.map(({ holder, dataset, budget }) => [holder, dataset, budget])).toEqual(
      HOLDERS.map((holder) => [holder, `${holder}-stock`, 8]),
    );
    const [anna, ben, carl, dora] = result.clients.map(({ epsilon }) => epsilon) as [number, number, number, number];
    expect(anna).toBeGreaterThan(ben); // a second attempt is a second charge
    expect(ben).toBe(carl); // a rejected update costs what an accepted or a late one costs
    expect(carl).toBeGreaterThan(dora); // a refusal costs nothing
    expect(result.models.map(({ version, rounds }) => [version, rounds])).toEqual([
      [1, 2],
      [2, 4],
    ]);
  });

  it('stays sound without an older checkpoint: the newer ones cover the same entries', () => {
    const first = lines.findIndex((line) => line.startsWith('{"checkpoint"'));
    expect(check(lines.filter((_, i) => i !== first)).verdict).toBe('sound');
  });
});

describe('an export that is cut off', () => {
  it('is incomplete wherever it is cut between lines', () => {
    for (let length = 0; length < lines.length; length++) {
      expect([length, check(lines.slice(0, length)).verdict]).toEqual([length, 'incomplete']);
    }
  });

  it('is incomplete when it is cut inside a line', () => {
    for (const length of [0, 1, 9, lines.length - 1]) {
      const line = lines[length]!;
      const result = check([...lines.slice(0, length), line.slice(0, line.length / 2)]);
      expect([length, result.verdict]).toEqual([length, 'incomplete']);
      expect(whatOf(result)).toContain('is cut off');
    }
  });

  it('is incomplete without its last entry, its last checkpoint, or with entries after it', () => {
    const checkpoints = lines.length - entries.length - 1;
    expect(check(lines.filter((_, i) => i !== entries.length)).verdict).toBe('incomplete');
    expect(whatOf(check(lines.slice(0, -1)))).toContain('the last checkpoint covers');
    expect(whatOf(check(exportOf(keys, entries, [])))).toContain('no checkpoint');
    expect(checkpoints).toBeGreaterThan(5);
  });

  it('is incomplete while a round is open', () => {
    const open = new LedgerScript(keys).openRound('model').commit('anna').entries;
    expect(check(exportOf(keys, open))).toMatchObject({ verdict: 'incomplete', findings: [{ seq: 1 }] });
  });
});

describe('lines out of place', () => {
  it('are found: every line that is missing, there twice, or swapped with the next', () => {
    lines.forEach((line, i) => {
      const next = lines[i + 1];
      const isOlderCheckpoint = i > entries.length && next !== undefined;
      if (!isOlderCheckpoint && i !== entries.length && next !== undefined) {
        expect([i, check(lines.filter((_, k) => k !== i)).verdict]).toEqual([i, 'tampered']);
      }
      expect([i, check(lines.toSpliced(i, 0, line)).verdict]).toEqual([i, 'tampered']);
      if (next !== undefined) expect([i, check(lines.toSpliced(i, 2, next, line)).verdict]).toEqual([i, 'tampered']);
    });
  });

  it('are found: garbage in the middle, unknown members, a wrong header', () => {
    expect(whatOf(check(lines.toSpliced(3, 0, '{"seq":')))).toContain('line 4 is not JSON');
    for (const [i, name] of [
      [0, 'note'],
      [2, 'note'],
      [lines.length - 1, 'note'],
    ] as const) {
      const changed = JSON.stringify({ ...(JSON.parse(lines[i]!) as object), [name]: 1 });
      expect(whatOf(check(lines.with(i, changed)))).toContain('unknown fields');
    }
    const header = JSON.parse(lines[0]!) as { size: number };
    for (const changed of [{ version: 2 }, { origin: 'fedcarbon/other' }, { size: header.size - 1 }]) {
      expect(check(lines.with(0, JSON.stringify({ ...header, ...changed }))).verdict).toBe('tampered');
    }
  });
});

describe('checkpoints', () => {
  it('of another key are not accepted', () => {
    const result = verifyLedger(lines, { ...options, publicKeys: { checkpoint: signer('someone').publicKey } });
    expect(result.verdict).toBe('tampered');
    expect(whatOf(result)).toContain('is not signed by the expected key');
    const forger: Keys = { sha256, signer: (name) => signer(name === 'checkpoint' ? 'forger' : name) };
    expect(check(exportOf(forger, entries)).verdict).toBe('tampered');
  });

  it('that were changed anywhere are found', () => {
    const last = lines.length - 1;
    const { checkpoint, size } = JSON.parse(lines[last]!) as { checkpoint: string; size: number };
    for (let i = 0; i < checkpoint.length; i += 3) {
      const changed = `${checkpoint.slice(0, i)}${checkpoint[i] === 'A' ? 'B' : 'A'}${checkpoint.slice(i + 1)}`;
      expect([i, check(lines.with(last, JSON.stringify({ checkpoint: changed, size }))).verdict]).toEqual([
        i,
        'tampered',
      ]);
    }
    expect(check(lines.with(last, JSON.stringify({ checkpoint, size: size - 1 }))).verdict).toBe('tampered');
  });
});

describe('a body', () => {
  const rewriteBody = (seq: number, change: (text: string) => string | Uint8Array) => {
    const line = JSON.parse(lines[seq + 1]!) as { body: string };
    const body = change(Buffer.from(line.body, 'base64url').toString());
    return lines.with(seq + 1, JSON.stringify({ ...line, body: Buffer.from(body).toString('base64url') }));
  };

  it.each([
    ['with a space', (text: string) => text.replace(':', ': ')],
    ['with members in another order', (text: string) => `{"v":1,${text.slice(1).replace(',"v":1', '')}`],
    ['with a member twice', (text: string) => text.replace('"v":1', '"v":1,"v":1')],
    ['with another spelling of a number', (text: string) => text.replace('"v":1', '"v":1.0')],
    ['that is not UTF-8', () => Uint8Array.of(0x22, 0xff, 0x22)],
    ['with a byte order mark', (text: string) => `\uFEFF${text}`],
  ])('%s is not canonical', (_, change) => {
    const result = check(rewriteBody(seqOf('federation.completed'), change));
    expect(result.verdict).toBe('tampered');
    expect(whatOf(result)).toContain('is not canonical JSON');
  });

  it.each([
    ['kind', (text: string) => text.replace('federation.completed', 'witness.joined')],
    ['version', (text: string) => text.replace('"v":1', '"v":2')],
  ])('of an unknown %s cannot be judged', (_, change) => {
    const seq = seqOf('federation.completed');
    const { findings } = check(rewriteBody(seq, change));
    const what = 'the entry is of a kind or version that this verifier does not know';
    expect(findings).toContainEqual({ verdict: 'incomplete', seq, what });
  });

  it('that was changed names its entry', () => {
    const seq = seqOf('round.closed', 1);
    const result = check(rewriteBody(seq, (text) => text.replace('below quorum', 'below Quorum')));
    expect(new Set(result.findings.map((finding) => finding.seq))).toEqual(new Set([seq, undefined]));
    expect(result.findings[0]?.what).toContain('the leaf hash is');
  });
});
