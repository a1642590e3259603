import { toBase64Url, toHex } from '@fedcarbon/kernel';

/** An entry as it is stored: `body` are the canonical bytes, `seq` counts from 0. */
export interface StoredEntry {
  readonly seq: number;
  readonly leafHash: Uint8Array;
  readonly chainHash: Uint8Array;
  readonly body: Uint8Array;
}

/** First line of an export file (JSON Lines): which ledger, how many entries follow. */
export function exportHeaderLine(origin: string, size: number): string {
  return JSON.stringify({ fedcarbon: 'ledger-export', version: 1, origin, size });
}

/** One entry's line; entries come in the order of `seq`. */
export function exportEntryLine(entry: StoredEntry): string {
  return JSON.stringify({
    seq: entry.seq,
    leafHash: toHex(entry.leafHash),
    chainHash: toHex(entry.chainHash),
    body: toBase64Url(entry.body),
  });
}

/** One signed checkpoint's line; checkpoints come after the entries, in the order of their sizes. */
export function exportCheckpointLine(note: string, size: number): string {
  return JSON.stringify({ checkpoint: note, size });
}

/** The lines of a whole export, without line feeds. */
export function* exportLines(
  origin: string,
  entries: readonly StoredEntry[],
  checkpoints: readonly { readonly note: string; readonly size: number }[],
): Generator<string> {
  yield exportHeaderLine(origin, entries.length);
  for (const entry of entries) yield exportEntryLine(entry);
  for (const { note, size } of checkpoints) yield exportCheckpointLine(note, size);
}
