import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseStrict } from '@fedcarbon/contracts';
import { canonicalJson, describeError, FedcarbonError, InvalidInputError, type Json } from '@fedcarbon/kernel';
import type { BudgetCap } from '@fedcarbon/privacy';
import { CheckedLines, type JournalFile, JournalUnwritableError, SerialQueue, takeLock } from '@fedcarbon/service';
import type { Log } from '../ports.ts';
import { Fact, type JournalOpened } from './facts.ts';
import { EMPTY_STATE, fold, type JournalState } from './state.ts';

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
 * The holder's durable memory: one append-only file per data set, one fact a line as canonical JSON (see CheckedLines).
 */
export class Journal {
  readonly path: string;
  #state: JournalState = EMPTY_STATE;
  #lines: CheckedLines | undefined;
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
      // An older copy would forget charges that the holder's own cap has to count.
      const remedy = "delete the file and put no older copy back: it is rebuilt from the accountant's history";
      journal.#lines = await CheckedLines.open({ path: journal.path, remedy, log, openFile });
      const facts = journal.#load(journal.#lines);
      await journal.#begin({ kind: 'journal', version: 1, holder, dataset, cap }, facts[0], log);
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
      await this.#lines?.close();
      this.#lines = undefined;
      this.#unlock();
      this.#unlock = () => undefined;
    });
  }

  #load(lines: CheckedLines): Fact[] {
    return lines.found.map((text, index) => {
      try {
        const fact = parseStrict(Fact, JSON.parse(text), 'the fact');
        this.#state = fold(this.#state, [fact]);
        return fact;
      } catch (cause) {
        throw lines.damaged(index + 1, describeError(cause), cause);
      }
    });
  }

  /** The first line says whose journal this is; a changed cap is a decision of the operator and is recorded. */
  async #begin(identity: JournalOpened, first: Fact | undefined, log: Log): Promise<void> {
    if (first === undefined) {
      await this.#write(identity);
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
    if (this.#lines === undefined) throw new JournalUnwritableError(`the journal ${this.path} is closed`);
    await this.#lines.append(canonicalJson(fact as Json), { durable: fact.kind !== 'receipt' });
    this.#state = state;
  }
}
