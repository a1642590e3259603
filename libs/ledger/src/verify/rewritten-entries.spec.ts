// What the verifier finds when entries were rewritten by somebody who can hash them again, and even sign checkpoints again.
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { concatBytes, equalBytes, utf8 } from '@fedcarbon/kernel';
import type { LedgerEntry, LedgerEntryKind } from '../entries.ts';
import { exportOf, soundEntries } from '../sound-ledger.support.ts';
import type { Keys } from '../sound-ledger.support.ts';
import { verifyLedger } from './index.ts';

const digest = (algorithm: string, data: Uint8Array) => new Uint8Array(createHash(algorithm).update(data).digest());
const sha256 = (data: Uint8Array) => digest('sha256', data);
/** A stand-in for Ed25519 of the same lengths, so that thousands of signatures cost nothing. Anybody could forge it; nobody here does. */
const signatureOf = (publicKey: Uint8Array, message: Uint8Array) => digest('sha512', concatBytes(publicKey, message));
const keys: Keys = {
  sha256,
  signer: (name) => {
    const publicKey = sha256(utf8(name));
    return { publicKey, sign: (message) => signatureOf(publicKey, message) };
  },
};
const options = {
  publicKeys: { checkpoint: keys.signer('checkpoint').publicKey },
  sha256,
  verifySignature: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
    equalBytes(signature, signatureOf(publicKey, message)),
};

const entries = soundEntries(keys);
const lines = exportOf(keys, entries);
const verdictOf = (file: readonly string[]) => verifyLedger(file, options).verdict;

/** One entry of every kind; of closed rounds one of each sort. */
const CHOSEN: readonly [LedgerEntryKind, number][] = [
  ['federation.opened', 0],
  ['privacy.committed', 0],
  ['privacy.refused', 0],
  ['round.opened', 0],
  ['round.closed', 0],
  ['round.closed', 1],
  ['round.closed', 5],
  ['model.published', 0],
  ['benchmarks.published', 0],
  ['federation.completed', 0],
];
const cases = CHOSEN.map(([kind, nth]) => {
  const seq = entries.flatMap((entry, i) => (entry.kind === kind ? [i] : []))[nth] ?? NaN;
  return { label: `${kind} (entry ${seq})`, seq };
});

type Path = readonly (string | number)[];
type Tree = Record<string | number, unknown>;

/** Every member of a JSON value, at every depth. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, member]) => [[...path, name], ...pathsOf(member, [...path, name])]);
}

const parentOf = (entry: unknown, path: Path) =>
  path.slice(0, -1).reduce((tree, name) => (tree as Tree)[name], entry) as Tree;
const memberOf = (entry: unknown, path: Path) => parentOf(entry, path)[path.at(-1)!];

/** Another value of the same form, so that only its meaning is wrong. */
function another(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value !== 'string') return 'x';
  const pairs = [
    ['accepted', 'late'],
    ['released', 'abandoned'],
    ['model', 'benchmarks'],
    ['planned', 'ended_early'],
    ['north', 'south'],
    ['anna', 'ben'],
  ].flatMap(([a = '', b = '']) => [
    [a, b],
    [b, a],
  ]);
  const partner = pairs.find(([word]) => word === value)?.[1];
  return partner ?? (value.startsWith('1') ? `2${value.slice(1)}` : `1${value.slice(1)}`);
}

function rewritten(seq: number, change: (entry: LedgerEntry) => void): LedgerEntry[] {
  const copy = structuredClone(entries);
  change(copy[seq]!);
  return copy;
}

/** All changes of one member: another value, removed, an unknown member beside it. */
function changesOf(seq: number): { what: string; entries: LedgerEntry[] }[] {
  return pathsOf(entries[seq]).flatMap((path) => {
    if (path.length === 1 && path[0] === 'kind') return []; // an unknown kind is `incomplete`, tested with the bodies
    const what = path.map((name) => (/^\d+$/.test(String(name)) ? '*' : name)).join('.');
    const value = memberOf(entries[seq], path);
    const isLeaf = value === null || typeof value !== 'object';
    return [
      { what: `${what} changed`, change: (tree: Tree, name: string) => (tree[name] = another(value)) },
      ...(Array.isArray(parentOf(entries[seq], path))
        ? []
        : [{ what: `${what} removed`, change: (tree: Tree, name: string) => delete tree[name] }]),
      ...(isLeaf
        ? []
        : [{ what: `${what} extended`, change: (tree: Tree, name: string) => ((tree[name] as Tree)['extra'] = 1) }]),
    ].map(({ what, change }) => ({
      what,
      entries: rewritten(seq, (entry) => change(parentOf(entry, path), String(path.at(-1)))),
    }));
  });
}

/** Lines of the rewritten entries under the checkpoints that were really signed. */
const underOldCheckpoints = (changed: readonly LedgerEntry[]) => [
  ...exportOf(keys, changed).slice(0, changed.length + 1),
  ...lines.slice(entries.length + 1),
];

/** The file with one body replaced, its hashes left as they were. */
function withBodyOnly(seq: number, changed: readonly LedgerEntry[]): string[] {
  const { body } = JSON.parse(exportOf(keys, changed)[seq + 1]!) as { body: string };
  return lines.with(seq + 1, JSON.stringify({ ...(JSON.parse(lines[seq + 1]!) as object), body }));
}

describe.each(cases)('$label', ({ seq }) => {
  const changes = changesOf(seq);

  it('cannot be changed without its hashes, nor hashed again without the checkpoint key', () => {
    for (const { what, entries: changed } of changes) {
      if (JSON.stringify(changed) === JSON.stringify(entries)) continue; // an extended list
      expect([what, verdictOf(withBodyOnly(seq, changed))]).toEqual([what, 'tampered']);
      expect([what, verdictOf(underOldCheckpoints(changed))]).toEqual([what, 'tampered']);
    }
  });

  it('cannot be rewritten by a holder of the checkpoint key, but for texts and figures that nothing else depends on', () => {
    const free = changes.filter(({ entries: changed }) => verdictOf(exportOf(keys, changed)) === 'sound');
    expect([...new Set(free.map(({ what }) => what))]).toMatchSnapshot();
  });
});
