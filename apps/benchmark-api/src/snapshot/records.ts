import { fromUtf8, type Sha256, toHex } from '@fedcarbon/kernel';
import { CompactRange } from '@fedcarbon/ledger';
import {
  type BenchmarkReleaseRow,
  type BudgetRow,
  type ChargeGroup,
  ChargeRepository,
  type Database,
  LedgerRepository,
  type ModelRow,
  PlanRepository,
  type PlanRow,
  PublishedRepository,
  RoundRepository,
  type RoundRow,
} from '@fedcarbon/persistence';

/** Everything that the answers are made of, as it stood at one position of the ledger. */
export interface Records {
  readonly status: PlanRow['status'] | undefined;
  /** In order of index. */
  readonly rounds: readonly RoundRow[];
  /** Oldest first. */
  readonly models: readonly ModelRow[];
  readonly releases: readonly BenchmarkReleaseRow[];
  /** Of all data sets and all plans: a budget belongs to a data set over its life. */
  readonly charges: readonly ChargeGroup[];
  readonly budgets: readonly BudgetRow[];
  readonly ledger: {
    readonly size: number;
    /** RFC 6962 root over all entries, hexadecimal; null for no entries. */
    readonly root: string | null;
    readonly checkpoint: string | null;
    /** Refused charges by `holder/dataset`, of all plans. */
    readonly refusals: ReadonlyMap<string, number>;
  };
}

/** What never changes once it was read, so that only what came after it need be. */
interface Kept {
  readonly models: ModelRow[];
  readonly releases: BenchmarkReleaseRow[];
  readonly range: CompactRange;
  readonly refusals: Map<string, number>;
}

/** How often a reading that the ledger overtook is started again before it is taken as it is: the next look comes soon. */
const ATTEMPTS = 3;

/** Reads the record of one plan. Looks at the ledger's head first: every fact is written in the transaction of its entry. */
export class RecordReader {
  readonly #planHash: string;
  readonly #sha256: Sha256;
  readonly #plans: PlanRepository;
  readonly #rounds: RoundRepository;
  readonly #published: PublishedRepository;
  readonly #charges: ChargeRepository;
  readonly #ledger: LedgerRepository;
  #kept: Kept;
  #seen: string | undefined;

  constructor({ session, sql }: Pick<Database, 'session' | 'sql'>, planHash: string, sha256: Sha256) {
    this.#planHash = planHash;
    this.#sha256 = sha256;
    this.#plans = new PlanRepository(session);
    this.#rounds = new RoundRepository(sql);
    this.#published = new PublishedRepository(session);
    this.#charges = new ChargeRepository(session);
    this.#ledger = new LedgerRepository(session);
    this.#kept = this.#nothing();
  }

  /** The record, or undefined when it is what the last reading gave. Throws DatabaseUnavailableError. */
  async changed(): Promise<Records | undefined> {
    for (let attempt = 1; ; attempt++) {
      const mark = await this.#mark();
      if (mark.text === this.#seen) return undefined;
      const records = await this.#read(mark.size, mark.status);
      const overtaken = (await this.#mark()).text !== mark.text;
      if (overtaken && attempt < ATTEMPTS) continue;
      this.#seen = mark.text;
      return records;
    }
  }

  async #mark(): Promise<{ readonly text: string; readonly size: number; readonly status: Records['status'] }> {
    const [{ size, chainHash }, plan] = await Promise.all([this.#ledger.head(), this.#plans.find(this.#planHash)]);
    return { text: `${String(size)} ${toHex(chainHash)} ${plan?.status ?? ''}`, size, status: plan?.status };
  }

  async #read(size: number, status: Records['status']): Promise<Records> {
    // Shorter than before: the database was replaced by another one.
    if (size < this.#kept.range.size) this.#kept = this.#nothing();
    const { models, releases, range, refusals } = this.#kept;
    const planHash = this.#planHash;
    const [newModels, newReleases, rounds, charges, budgets, checkpoint] = await Promise.all([
      this.#published.models({ planHash, after: models.at(-1)?.version ?? 0 }),
      this.#published.benchmarkReleases({ planHash, after: releases.at(-1)?.version ?? 0 }),
      this.#rounds.list(planHash),
      this.#charges.committed(),
      this.#charges.budgets(),
      this.#ledger.latestCheckpoint(),
    ]);
    models.push(...newModels);
    releases.push(...newReleases);
    for await (const { kind, body, leafHash } of this.#ledger.entries(range.size, size)) {
      range.append(leafHash);
      if (kind === 'privacy.refused') count(refusals, refusedAccount(body));
    }
    return {
      status,
      rounds,
      models: [...models],
      releases: [...releases],
      charges,
      budgets,
      ledger: {
        size: range.size,
        root: range.size === 0 ? null : toHex(range.root()),
        checkpoint: checkpoint?.note ?? null,
        refusals: new Map(refusals),
      },
    };
  }

  #nothing(): Kept {
    return { models: [], releases: [], range: CompactRange.empty(this.#sha256), refusals: new Map() };
  }
}

function refusedAccount(body: Uint8Array): string {
  const { holder, dataset } = JSON.parse(fromUtf8(body)) as { holder: string; dataset: string };
  return `${holder}/${dataset}`;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
