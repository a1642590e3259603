import { join } from 'node:path';
import { parseStrict, Name, Sha256Hex } from '@fedcarbon/contracts';
import {
  canonicalJson,
  describeError,
  fromBase64Url,
  InvalidInputError,
  type Json,
  toBase64Url,
} from '@fedcarbon/kernel';
import { z } from 'zod';
import { CheckedLines, type JournalFile } from '../journal/checked-lines.ts';
import type { Log } from '../ports.ts';
import { SerialQueue } from '../serial-queue.ts';

/** Whose facts these are. The first line, as canonical JSON; every other line is one fact in base64url. */
const Opened = z.strictObject({
  kind: z.literal('masking'),
  version: z.literal(1),
  holder: Name,
  dataset: Name,
  planHash: Sha256Hex,
});
type Opened = z.infer<typeof Opened>;

export interface MaskingJournalOptions {
  /** Folder of the holder's journal, which is open and holds the lock of both. */
  readonly dir: string;
  readonly holder: string;
  readonly dataset: string;
  readonly planHash: string;
  readonly log: Log;
  /** Opens the file for appending. */
  readonly openFile?: (path: string) => Promise<JournalFile>;
}

/**
 * What a holder has persisted as a party of a plan's secure sum: the seed of its masks, whom it masks with, what it has sent and answered. Beside the
 * journal, a file for each plan. It is worth as much as the data: it holds the seed and the masked
 * vectors, so who reads it can take the masks off all that this holder has sent and will send under the plan.
 */
export class MaskingJournal {
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

  /** Opens the facts of a plan, or begins them. Throws InvalidInputError for a damaged file, naming the line, and for one of another holder or plan. */
  static async open({ dir, holder, dataset, planHash, log, openFile }: MaskingJournalOptions): Promise<MaskingJournal> {
    const path = join(dir, `${dataset}.${planHash.slice(0, 12)}.masking`);
    const remedy = 'delete it: the holder then takes no further part in the plan';
    const lines = await CheckedLines.open({ path, remedy, log, openFile });
    const identity: Opened = { kind: 'masking', version: 1, holder, dataset, planHash };
    try {
      const [first, ...rest] = lines.found;
      if (first === undefined) await lines.append(canonicalJson(identity as Json), { durable: true });
      else requireSame(lines, first, identity);
      return new MaskingJournal(lines, rest.map(fromBase64Url));
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

function requireSame(lines: CheckedLines, first: string, identity: Opened): void {
  let found: Opened;
  try {
    found = parseStrict(Opened, JSON.parse(first), 'the first line');
  } catch (cause) {
    throw lines.damaged(1, describeError(cause), cause);
  }
  if (canonicalJson(found as Json) === canonicalJson(identity as Json)) return;
  throw new InvalidInputError(
    `${lines.path} belongs to ${found.holder} (${found.dataset}) under plan ${found.planHash}, not to ${identity.holder} (${identity.dataset}) under ${identity.planHash}; name the right journalDir`,
    { code: 'journal_of_another' },
  );
}
