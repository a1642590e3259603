import type { Sha256, VerifySignature } from '@fedcarbon/kernel';
import { bytesOfBase64Url, bytesOfHex, hexOf, joined, sameBytes, textOf, utf8Of } from './bytes.ts';
import { canonicalTextOf } from './canonical.ts';
import type { ClientBudget } from './charges.ts';
import { FederationReplay } from './federation.ts';
import type { VerifiedModel } from './federation.ts';
import type { Finding, Report } from './findings.ts';
import { readEntry } from './format.ts';
import { MerkleTree } from './merkle.ts';
import { readCheckpointNote } from './note.ts';
import { ShapeError, base64Url, count, digest, exactly, name, oneOf, text } from './shape.ts';

export type { ClientBudget } from './charges.ts';
export type { VerifiedModel } from './federation.ts';
export type { Finding } from './findings.ts';

export interface VerifyOptions {
  /** The checkpoint key the auditor holds, 32 bytes; it must not come from the export itself. */
  readonly publicKeys: { readonly checkpoint: Uint8Array };
  readonly sha256: Sha256;
  readonly verifySignature: VerifySignature;
}

export interface Verification {
  /** `tampered` as soon as one finding says so, else `incomplete` as soon as one says so. */
  readonly verdict: 'sound' | 'tampered' | 'incomplete';
  readonly findings: readonly Finding[];
  /** Number of entries in the file. */
  readonly size: number;
  /** RFC 6962 root over them, lower-case hexadecimal. */
  readonly root: string;
  readonly clients: readonly ClientBudget[];
  readonly models: readonly VerifiedModel[];
}

const header = exactly({ fedcarbon: oneOf('ledger-export'), version: oneOf(1), origin: name, size: count });
const entryLine = exactly({ seq: count, leafHash: digest, chainHash: digest, body: base64Url });
const checkpointLine = exactly({ checkpoint: text, size: count });

/**
 * Verifies a ledger export offline, line by line: canonical bytes, hashes, chain, every checkpoint's root and signature, and that the
 * rounds, charges, receipts, models and privacy budgets that the entries tell of can have happened. Shares no code with the writer.
 * It proves what the last signed checkpoint in the file covers; that the file ends with the newest one only another copy of it can show.
 */
export function verifyLedger(lines: Iterable<string>, options: VerifyOptions): Verification {
  const findings: Finding[] = [];
  const report: Report = (seq, what, verdict = 'tampered') => {
    findings.push({ verdict, ...(seq === undefined ? {} : { seq }), what });
  };
  const file = new ExportFile(options, report);
  let lineNumber = 0;
  let unreadable: number | undefined;
  for (const line of lines) {
    lineNumber += 1;
    if (line === '') continue;
    if (unreadable !== undefined) report(undefined, `line ${unreadable} is not JSON`);
    const value = parse(line);
    unreadable = value === undefined ? lineNumber : undefined;
    if (value !== undefined) file.read(value, lineNumber);
  }
  // A line cut in the middle is how a download that broke off ends.
  if (unreadable !== undefined) report(undefined, `the last line (${unreadable}) is cut off`, 'incomplete');
  const { clients, models } = file.finish();
  const verdict = findings.some((finding) => finding.verdict === 'tampered')
    ? 'tampered'
    : findings.length > 0
      ? 'incomplete'
      : 'sound';
  return { verdict, findings, size: file.tree.size, root: hexOf(file.tree.root(file.tree.size)), clients, models };
}

/** The lines of an export as they come. */
class ExportFile {
  readonly tree: MerkleTree;
  readonly #options: VerifyOptions;
  readonly #report: Report;
  readonly #replay: FederationReplay;
  #header: { readonly origin: string; readonly size: number } | undefined;
  #chain = '00'.repeat(32);
  #nextSeq = 0;
  #checkpointSize = 0;
  #checkpoints = 0;

  constructor(options: VerifyOptions, report: Report) {
    this.tree = new MerkleTree(options.sha256);
    this.#options = options;
    this.#report = report;
    this.#replay = new FederationReplay(options, report);
  }

  read(value: unknown, lineNumber: number): void {
    try {
      if (!this.#header) this.#header = header(value, 'the first line');
      else if (value !== null && typeof value === 'object' && 'checkpoint' in value) this.#readCheckpoint(value);
      else this.#readEntry(value, lineNumber);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      this.#report(undefined, `line ${lineNumber}: ${error.message}`);
    }
  }

  finish(): { clients: ClientBudget[]; models: VerifiedModel[] } {
    const { size } = this.tree;
    if (!this.#header) this.#report(undefined, 'the file has no header line', 'incomplete');
    else if (size < this.#header.size)
      this.#report(undefined, `${size} of ${this.#header.size} entries are there`, 'incomplete');
    else if (size > this.#header.size) this.#report(undefined, `${size} entries, the header says ${this.#header.size}`);
    if (size > this.#checkpointSize) {
      const covered =
        this.#checkpointSize === 0 ? 'no checkpoint' : `the last checkpoint covers ${this.#checkpointSize}`;
      this.#report(this.#checkpointSize, `${size} entries, ${covered}`, 'incomplete');
    }
    if (size === 0) this.#report(undefined, 'the ledger has no entries', 'incomplete');
    return { clients: this.#replay.finish(), models: this.#replay.models };
  }

  #readEntry(value: unknown, lineNumber: number): void {
    const line = entryLine(value, 'entry line');
    const { seq } = line;
    if (this.#checkpoints > 0) this.#report(seq, 'the entry comes after a checkpoint line');
    if (seq !== this.#nextSeq) this.#report(seq, `line ${lineNumber} has entry ${seq}, entry ${this.#nextSeq} was due`);
    this.#nextSeq = seq + 1;

    const { sha256 } = this.#options;
    const body = bytesOfBase64Url(line.body);
    if (!body) return this.#report(seq, 'the body is not base64url text');
    const leaf = sha256(joined(Uint8Array.of(0), body));
    if (hexOf(leaf) !== line.leafHash)
      this.#report(seq, `the leaf hash is ${hexOf(leaf)}, the file says ${line.leafHash}`);
    const chain = sha256(joined(bytesOfHex(this.#chain), leaf));
    if (hexOf(chain) !== line.chainHash)
      this.#report(seq, `the chain hash is ${hexOf(chain)}, the file says ${line.chainHash}`);
    this.#chain = line.chainHash; // so that one changed entry is one finding
    this.tree.add(leaf);

    const content = contentOf(body);
    if (content === undefined) return this.#report(seq, 'the body is not canonical JSON (RFC 8785)');
    try {
      const entry = readEntry(content);
      if (entry) this.#replay.apply(seq, entry);
      else this.#report(seq, 'the entry is of a kind or version that this verifier does not know', 'incomplete');
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      this.#report(seq, error.message);
    }
  }

  #readCheckpoint(value: unknown): void {
    const line = checkpointLine(value, 'checkpoint line');
    const report = (what: string, verdict?: Finding['verdict']) =>
      this.#report(undefined, `the checkpoint of size ${line.size} ${what}`, verdict);
    this.#checkpoints += 1;
    const note = readCheckpointNote(line.checkpoint, this.#options.publicKeys.checkpoint, this.#options);
    if (!note) return report('is not a checkpoint note with valid signatures');
    if (!note.signed) return report('is not signed by the expected key');
    if (note.origin !== this.#header?.origin)
      report(`is of ${note.origin}, the file of ${this.#header?.origin ?? 'none'}`);
    if (note.size !== line.size) report(`states size ${note.size}`);
    if (note.size <= this.#checkpointSize) report(`comes after one of size ${this.#checkpointSize}`);
    if (note.size > this.tree.size)
      return report(`covers more than the ${this.tree.size} entries of the file`, 'incomplete');
    this.#checkpointSize = Math.max(this.#checkpointSize, note.size);
    const root = this.tree.root(note.size);
    if (!sameBytes(root, note.root)) report(`has root ${hexOf(note.root)}, the entries give ${hexOf(root)}`);
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

/** The value in canonical bytes; undefined when they are no JSON text, or not the one text of their value. */
function contentOf(body: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(textOf(body));
    return sameBytes(utf8Of(canonicalTextOf(value)), body) ? value : undefined;
  } catch {
    return undefined;
  }
}
