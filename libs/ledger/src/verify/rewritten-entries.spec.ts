// What the verifier finds when entries were rewritten by somebody who can hash them again, and even sign checkpoints again.
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { LedgerEntry, LedgerEntryKind } from '../entries.ts';
import { exportOf, soundEntries, toyKeys } from '../sound-ledger.support.ts';
import { verifyLedger } from './index.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const { keys, options } = toyKeys(sha256);
const entries = soundEntries(keys);
const lines = exportOf(keys, entries);
const verdictOf = (file: readonly string[]) => verifyLedger(file, options).verdict;

/**
 * One entry of every kind; of closed rounds one of each sort. With each, what a holder of the checkpoint key can rewrite unseen: texts for
 * people, a seed, a refusal's details, the number and digest of a release whose percentiles are not in the ledger.
 */
const CHOSEN: readonly { kind: LedgerEntryKind; nth?: number; free: readonly string[] }[] = [
  { kind: 'federation.opened', free: [] },
  { kind: 'privacy.committed', free: [] },
  {
    kind: 'privacy.refused',
    free: [
      'roundId changed',
      'attempt changed',
      'event.sigmaSquared changed',
      'event.sensitivitySquared changed',
      'event.steps changed',
      'reason changed',
    ],
  },
  { kind: 'round.opened', free: ['seed changed'] },
  { kind: 'round.closed', free: [] },
  { kind: 'round.closed', nth: 1, free: ['reason changed', 'reason removed'] },
  { kind: 'round.closed', nth: 5, free: [] },
  { kind: 'model.published', free: [] },
  { kind: 'benchmarks.published', free: ['version changed'] },
  { kind: 'federation.completed', free: [] },
];
const cases = CHOSEN.map(({ kind, nth = 0, free }) => {
  const seq = entries.flatMap((entry, i) => (entry.kind === kind ? [i] : []))[nth] ?? NaN;
  return { label: `${kind} (entry ${seq})`, seq, free };
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
  // Not structuredClone: entries share objects, which must change in one of them only.
  const copy = JSON.parse(JSON.stringify(entries)) as LedgerEntry[];
  change(copy[seq]!);
  return copy;
}

/** Changes of every member (of a list's members, of the first): another value, removed, an unknown member inside. */
function changesOf(seq: number): { what: string; entries: LedgerEntry[] }[] {
  const seen = new Set<string>();
  return pathsOf(entries[seq]).flatMap((path) => {
    if (path.length === 1 && path[0] === 'kind') return []; // an unknown kind is `incomplete`, tested with the bodies
    const what = path.map((name) => (/^\d+$/.test(String(name)) ? '*' : name)).join('.');
    if (seen.size === seen.add(what).size) return [];
    const value = memberOf(entries[seq], path);
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
    return [
      { what: `${what} changed`, change: (tree: Tree, name: string) => (tree[name] = another(value)) },
      ...(Array.isArray(parentOf(entries[seq], path))
        ? []
        : [{ what: `${what} removed`, change: (tree: Tree, name: string) => Reflect.deleteProperty(tree, name) }]),
      ...(isObject
        ? [{ what: `${what} extended`, change: (tree: Tree, name: string) => ((tree[name] as Tree)['extra'] = 1) }]
        : []),
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

describe.each(cases)('$label', ({ seq, free }) => {
  const changes = changesOf(seq);

  it('cannot be changed without its hashes, nor hashed again without the checkpoint key', () => {
    // Hashes do not care what a change means: one change of every member will do.
    for (const { what, entries: changed } of changes.filter((one) => one.what.endsWith(' changed'))) {
      expect([what, verdictOf(withBodyOnly(seq, changed))]).toEqual([what, 'tampered']);
      expect([what, verdictOf(underOldCheckpoints(changed))]).toEqual([what, 'tampered']);
    }
  });

  it('cannot be rewritten by a holder of the checkpoint key in anything that another entry depends on', () => {
    const unnoticed = changes.filter(({ entries: changed }) => verdictOf(exportOf(keys, changed)) === 'sound');
    expect(unnoticed.map(({ what }) => what)).toEqual(free);
  });
});
