import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseStrict } from '@fedcarbon/contracts';
import { canonicalJson, describeError, FedcarbonError, InvalidInputError, type Json } from '@fedcarbon/kernel';
import type { BudgetCap } from '@fedcarbon/privacy';
import type { Log } from '../ports.ts';
import { SerialQueue } from '../serial-queue.ts';
import { Fact, type JournalOpened } from './facts.ts';
import { takeLock } from './lock-file.ts';
import { EMPTY_STATE, fold, type JournalState } from './state.ts';

/** The journal cannot take what must survive. Nothing that depended on it has left; the trainer must stop. */
export class JournalUnwritableError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('journal_unwritable', message, options);
  }
}

/** What the journal needs of an open file. */
export type JournalFile = Pick<FileHandle, 'write' | 'datasync' | 'truncate' | 'close'>;

export interface JournalOptions {
  /** Folder of the journal; made when absent. */
  readonly dir: string;
  readonly holder: string;
  readonly dataset: string;
  readonly cap: BudgetCap;
  readonly log: Log;
  /** Opens the file for appending. */
  readonly openFile?: (path: string) => Promise<JournalFile>;
}

/**
 * The holder's durable memory: one append-only file per data set, one fact a line, each line under a checksum that covers all lines before it:
 *
 *     <first 16 hexadecimal digits of SHA-256(checksum of the line before, space, JSON)> <canonical JSON>\n
 *
 * A line that a crash cut short (no line end) was never acknowledged and is dropped. Any other damage is fatal.
 */
export class Journal {
  readonly path: string;
  #state: JournalState = EMPTY_STATE;
  #checksum = '';
  /** Bytes of the lines that are known to be whole. */
  #length = 0;
  #file: JournalFile | undefined;
  #unlock: () => void = () => undefined;
  readonly #queue = new SerialQueue();

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens the journal of a holder's data set, or begins one. Throws InvalidInputError for the journal of another holder and for a damaged one, naming the line;
   * LockedError while another process has it; JournalUnwritableError when the folder cannot be written.
   */
  static async open({ dir, holder, dataset, cap, log, openFile }: JournalOptions): Promise<Journal> {
    const journal = new Journal(join(dir, `${dataset}.journal`));
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      journal.#unlock = takeLock(`${journal.path}.lock`);
      const facts = await journal.#load(log);
      journal.#file = await (openFile ?? ((path) => open(path, 'a', 0o600)))(journal.path);
      await journal.#begin({ kind: 'journal', version: 1, holder, dataset, cap }, facts[0], dir, log);
      return journal;
    } catch (error) {
      await journal.close();
      if (error instanceof FedcarbonError) throw error;
      throw new JournalUnwritableError(`the journal ${journal.path} cannot be opened (${describeError(error)})`, {
        cause: error,
      });
    }
  }

  get state(): JournalState {
    return this.#state;
  }

  /**
   * Adds a fact. When the promise resolves the fact survives a loss of power, except for receipts, which do no harm when lost: the update is sent once more.
   * Throws JournalUnwritableError, after which nothing more can be written.
   */
  append(fact: Exclude<Fact, JournalOpened>): Promise<void> {
    return this.#queue.run(() => this.#write(fact));
  }

  /** Waits for what is being written and gives the journal back. */
  async close(): Promise<void> {
    await this.#queue.run(async () => {
      await this.#file?.close();
      this.#file = undefined;
      this.#unlock();
      this.#unlock = () => undefined;
    });
  }

  async #load(log: Log): Promise<Fact[]> {
    const bytes = await readFile(this.path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    const whole = bytes.lastIndexOf(0x0a) + 1;
    const facts = bytes
      .subarray(0, whole)
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .map((line, index) => this.#read(line, index + 1));
    this.#length = whole;
    if (whole < bytes.length) {
      log.warn({ journal: this.path, bytes: bytes.length - whole }, 'dropped a last line that a crash had cut short');
      await truncate(this.path, whole);
    }
    return facts;
  }

  #read(line: string, number: number): Fact {
    const damaged = (why: string, cause?: unknown): InvalidInputError =>
      new InvalidInputError(
        `${this.path}, line ${String(number)}: ${why}; restore the file, or delete it: it is then rebuilt from the accountant's history`,
        { code: 'journal_damaged', cause },
      );
    const json = line.slice(17);
    const checksum = checksumOf(this.#checksum, json);
    if (line.slice(0, 17) !== `${checksum} `) throw damaged('the checksum does not fit');
    this.#checksum = checksum;
    try {
      const fact = parseStrict(Fact, JSON.parse(json), 'the fact');
      this.#state = fold(this.#state, [fact]);
      return fact;
    } catch (cause) {
      throw damaged(describeError(cause), cause);
    }
  }

  /** The first line says whose journal this is; a changed cap is a decision of the operator and is recorded. */
  async #begin(identity: JournalOpened, first: Fact | undefined, dir: string, log: Log): Promise<void> {
    if (first === undefined) {
      await this.#write(identity);
      await syncFolder(dir);
      return;
    }
    if (first.kind !== 'journal' || first.holder !== identity.holder || first.dataset !== identity.dataset) {
      const owner = first.kind === 'journal' ? `${first.holder} (${first.dataset})` : 'nobody';
      throw new InvalidInputError(
        `${this.path} is the journal of ${owner}, not of ${identity.holder} (${identity.dataset}); name the right journalDir`,
        { code: 'journal_of_another' },
      );
    }
    const { cap } = this.#state;
    if (cap?.epsilon !== identity.cap.epsilon || cap.delta !== identity.cap.delta) {
      log.warn({ before: cap, now: identity.cap }, 'the cap of this data set has changed');
      await this.#write({ kind: 'capChanged', cap: identity.cap });
    }
  }

  async #write(fact: Fact): Promise<void> {
    const state = fold(this.#state, [fact]);
    const json = canonicalJson(fact as Json);
    const checksum = checksumOf(this.#checksum, json);
    const line = Buffer.from(`${checksum} ${json}\n`);
    const file = this.#file;
    if (file === undefined) throw new JournalUnwritableError(`the journal ${this.path} is closed`);
    try {
      for (let written = 0; written < line.length;) {
        written += (await file.write(line, written)).bytesWritten;
      }
      if (fact.kind !== 'receipt') await file.datasync();
    } catch (cause) {
      this.#file = undefined;
      // What was written of the line must not become part of the next one. If this fails too, it is dropped on the next start.
      await file.truncate(this.#length).catch(() => undefined);
      await file.close().catch(() => undefined);
      throw new JournalUnwritableError(
        `the journal ${this.path} cannot be written (${describeError(cause)}); nothing was sent; make room and start the trainer again`,
        { cause },
      );
    }
    this.#length += line.length;
    this.#checksum = checksum;
    this.#state = state;
  }
}

function checksumOf(before: string, json: string): string {
  return createHash('sha256').update(`${before} ${json}`).digest('hex').slice(0, 16);
}

async function truncate(path: string, length: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.truncate(length);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** A new file survives a loss of power only once its folder is on disk. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
