import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkoutRoot } from '@fedcarbon/stack';

/** Folder with the reference data and golden values; it stands beside the checkout and may be absent. */
const sharedFolder = resolve(checkoutRoot, '../shared');

/** Path of a file or folder under the shared folder, or undefined when it is absent. Skip the test then, visibly: `(path ? it : it.skip)(…)`. */
export function sharedPath(path: string): string | undefined {
  const full = join(sharedFolder, path);
  return existsSync(full) ? full : undefined;
}

/**
 * Rows of `golden/<path>` beside the checkout, one object per row keyed by the header's names, or undefined when the file
 * is absent: `const rows = goldenRows('dp-accounting/golden_epsilon.csv'); (rows ? it : it.skip)(…)`.
 * Lines that start with # are comments.
 */
export function goldenRows(path: string): Record<string, string>[] | undefined {
  const file = sharedPath(join('golden', path));
  return file === undefined ? undefined : parseCsv(readFileSync(file, 'utf8'));
}

/** Rows of a CSV text with a header line (RFC 4180: quotes, doubled quotes, line breaks inside quotes). Throws on a row of another length. */
export function parseCsv(text: string): Record<string, string>[] {
  const [header, ...rows] = records(text.replace(/^#.*\r?\n/gm, ''));
  if (header === undefined) return [];
  return rows.map((row, index) => {
    if (row.length !== header.length) {
      throw new Error(`record ${index + 2} has ${row.length} fields, the header has ${header.length}`);
    }
    return Object.fromEntries(header.map((name, column) => [name, row[column] ?? '']));
  });
}

function records(text: string): string[][] {
  const all: string[][] = [];
  let row: string[] = [];
  // A field, quoted or bare, and what ends it.
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  while (field.lastIndex < text.length) {
    const start = field.lastIndex;
    const match = field.exec(text);
    if (match === null) throw new Error(`the CSV text is malformed at character ${start}`);
    row.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === ',' && field.lastIndex < text.length) continue;
    if (match[3] === ',') row.push('');
    all.push(row);
    row = [];
  }
  return all;
}
