import { canonicalJson, fromBase64Url, InvalidInputError, type Json, toBase64Url } from '@fedcarbon/kernel';
import { CheckedLines, type CheckedLinesOptions } from './checked-lines.ts';
import { SerialQueue } from './serial-queue.ts';

export interface FactFileOptions extends CheckedLinesOptions {
  /** Whose facts these are: the first line, as canonical JSON. Every other line is one fact in base64url. */
  readonly identity: Readonly<Record<string, Json>>;
}

/** What a party of a secure sum has persisted, for one plan: a file of CheckedLines. Its folder must be owned by one process. */
export class FactFile {
  readonly path: string;
  /** The facts that were there when the file was opened. */
  readonly facts: readonly Uint8Array[];
  readonly #lines: CheckedLines;
  readonly #queue = new SerialQueue();

  private constructor(lines: CheckedLines, facts: readonly Uint8Array[]) {
    this.path = lines.path;
    this.#lines = lines;
    this.facts = facts;
  }

  /** Opens the facts, or begins them. Throws InvalidInputError for a damaged file, naming the line, and for one of another party (`facts_of_another`). */
  static async open({ identity, ...options }: FactFileOptions): Promise<FactFile> {
    const lines = await CheckedLines.open(options);
    const own = canonicalJson(identity);
    try {
      const [first, ...rest] = lines.found;
      if (first === undefined) await lines.append(own, { durable: true });
      else if (first !== own) {
        throw new InvalidInputError(`${lines.path} belongs to ${first}, not to ${own}; name the right folder`, {
          code: 'facts_of_another',
        });
      }
      return new FactFile(lines, rest.map(fromBase64Url));
    } catch (error) {
      await lines.close();
      throw error;
    }
  }

  /** Adds a fact, which survives a loss of power when the promise resolves. Throws JournalUnwritableError, after which nothing more can be written. */
  append(fact: Uint8Array): Promise<void> {
    return this.#queue.run(() => this.#lines.append(toBase64Url(fact), { durable: true }));
  }

  /** Waits for what is being written. */
  close(): Promise<void> {
    return this.#queue.run(() => this.#lines.close());
  }
}
