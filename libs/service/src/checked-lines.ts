import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeError, FedcarbonError, InvalidInputError } from '@fedcarbon/kernel';

/** The journal cannot take what must survive. Nothing that depended on it has left; the process must stop. */
export class JournalUnwritableError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('journal_unwritable', message, options);
  }
}

/** What a journal needs of an open file. */
export type JournalFile = Pick<FileHandle, 'write' | 'datasync' | 'truncate' | 'close'>;

export interface CheckedLinesOptions {
  readonly path: string;
  /** What an operator can do about a damaged file. */
  readonly remedy: string;
  readonly log: { warn(fields: object, message: string): void };
  /** Opens the file for appending. */
  readonly openFile?: ((path: string) => Promise<JournalFile>) | undefined;
}

/**
 * An append-only file of lines, readable and writable for its owner only, each line under a checksum that covers all lines before it:
 *
 *     <first 16 hexadecimal digits of SHA-256(checksum of the line before, space, text)> <text>\n
 *
 * A line that a crash cut short (no line end) was never acknowledged and is dropped. Any other damage is fatal.
 */
export class CheckedLines {
  readonly path: string;
  /** The lines that were there when the file was opened. */
  readonly found: readonly string[];
  readonly #remedy: string;
  #checksum: string;
  /** Bytes of the lines that are known to be whole. */
  #length: number;
  #file: JournalFile | undefined;

  private constructor(options: CheckedLinesOptions, bytes: Buffer) {
    this.path = options.path;
    this.#remedy = options.remedy;
    this.#length = bytes.lastIndexOf(0x0a) + 1;
    this.#checksum = '';
    const lines = bytes.subarray(0, this.#length).toString('utf8').split('\n').slice(0, -1);
    this.found = lines.map((line, index) => {
      const text = line.slice(17);
      const checksum = checksumOf(this.#checksum, text);
      if (line.slice(0, 17) !== `${checksum} `) throw this.damaged(index + 1, 'the checksum does not fit');
      this.#checksum = checksum;
      return text;
    });
  }

  /** Reads the file if there is one; it is made with the first line. Throws InvalidInputError (`journal_damaged`), naming the line, and what the system throws. */
  static async open(options: CheckedLinesOptions): Promise<CheckedLines> {
    const { path, log, openFile = (file: string) => open(file, 'a', 0o600) } = options;
    const bytes = await readFile(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    const lines = new CheckedLines(options, bytes);
    if (lines.#length < bytes.length) {
      log.warn(
        { journal: path, bytes: bytes.length - lines.#length },
        'dropped a last line that a crash had cut short',
      );
      await truncate(path, lines.#length);
    }
    lines.#file = await openFile(path);
    return lines;
  }

  damaged(line: number, why: string, cause?: unknown): InvalidInputError {
    return new InvalidInputError(`${this.path}, line ${String(line)}: ${why}; ${this.#remedy}`, {
      code: 'journal_damaged',
      cause,
    });
  }

  /**
   * Adds a line, one call after the other. With `durable` it survives a loss of power once the promise resolves.
   * Throws JournalUnwritableError, after which nothing more can be written.
   */
  async append(text: string, { durable }: { readonly durable: boolean }): Promise<void> {
    const checksum = checksumOf(this.#checksum, text);
    const line = Buffer.from(`${checksum} ${text}\n`);
    const file = this.#file;
    if (file === undefined) throw new JournalUnwritableError(`the journal ${this.path} is closed`);
    try {
      for (let written = 0; written < line.length;) {
        written += (await file.write(line, written)).bytesWritten;
      }
      if (durable) await file.datasync();
      // A new file survives a loss of power only once its folder is on disk.
      if (durable && this.#length === 0) await syncFolder(dirname(this.path));
    } catch (cause) {
      this.#file = undefined;
      // What was written of the line must not become part of the next one. If this fails too, it is dropped on the next start.
      await file.truncate(this.#length).catch(() => undefined);
      await file.close().catch(() => undefined);
      throw new JournalUnwritableError(
        `the journal ${this.path} cannot be written (${describeError(cause)}); nothing was sent; make room and start the service again`,
        { cause },
      );
    }
    this.#length += line.length;
    this.#checksum = checksum;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

function checksumOf(before: string, text: string): string {
  return createHash('sha256').update(`${before} ${text}`).digest('hex').slice(0, 16);
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

/** Has what was made, renamed or removed in a folder survive a loss of power. Throws what the system throws. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
