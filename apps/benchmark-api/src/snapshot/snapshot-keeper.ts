import { describeError } from '@fedcarbon/kernel';
import type { Accountant } from '@fedcarbon/privacy';
import type { PlanScope } from './plan-scope.ts';
import type { RecordReader } from './records.ts';
import { ReleaseEstimates } from './release-estimates.ts';
import { Snapshot } from './snapshot.ts';

interface Parts {
  readonly scope: PlanScope;
  readonly reader: Pick<RecordReader, 'changed'>;
  readonly accountant: Pick<Accountant, 'epsilonOf'>;
  readonly logger: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
  /** Wait between two looks at the database. */
  readonly pollMs: number;
}

/** Keeps a snapshot up to date. While the database is away the last one stays. */
export class SnapshotKeeper {
  readonly #parts: Parts;
  #snapshot: Snapshot | undefined;
  #estimates: ReleaseEstimates | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #complaint: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Undefined until the first reading. */
  get current(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Reads once, then looks again and again until `stop`. */
  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), this.#parts.pollMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#again = false;
    await this.#running;
  }

  /** Looks at the database now. A call during a look makes another one follow, so nothing that was committed before a call is missed. Never throws. */
  refresh(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#refreshUntilQuiet().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #refreshUntilQuiet(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#refreshOnce();
        if (this.#complaint !== undefined) this.#parts.logger.info({}, 'reading the database again');
        this.#complaint = undefined;
      } catch (error) {
        const reason = describeError(error);
        if (reason !== this.#complaint) this.#parts.logger.warn({ reason }, 'answering from the last snapshot');
        this.#complaint = reason;
      }
    } while (this.#again);
  }

  async #refreshOnce(): Promise<void> {
    const { scope, reader, accountant } = this.#parts;
    const records = await reader.changed();
    if (records === undefined) return;
    const release = records.releases.at(-1);
    // Without noise there is nothing that may be published.
    if (release !== undefined && scope.plan.privacy.trust !== 'none' && release.version !== this.#estimates?.version) {
      this.#estimates = await ReleaseEstimates.of(scope.plan, release);
    }
    this.#snapshot = new Snapshot(scope, records, release && this.#estimates, accountant);
  }
}
