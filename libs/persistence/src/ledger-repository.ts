import { clientOf, type Session } from './session.ts';
import { sqlIn } from './sql-pool.ts';

export interface LedgerPosition {
  /** Counts from 0. */
  readonly seq: number;
  readonly leafHash: Uint8Array;
  readonly chainHash: Uint8Array;
}
/** An entry as stored; `body` holds the canonical bytes. Fits `StoredEntry` of @fedcarbon/ledger. */
export interface LedgerRow extends LedgerPosition {
  readonly kind: string;
  readonly body: Uint8Array;
  readonly appendedAtMs: number;
}
export interface LedgerHead {
  readonly size: number;
  readonly chainHash: Uint8Array;
}
export interface CheckpointRow {
  readonly size: number;
  /** Signed note (C2SP). */
  readonly note: string;
  readonly signedAtMs: number;
}

const PAGE = 500;
const APPEND_ALL = `SELECT max(appended.seq)::int + 1 AS size
  FROM (SELECT kind, body FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS given (kind, body, place) ORDER BY place) AS entry,
    LATERAL ledger.append(entry.kind, entry.body) AS appended`;

/** The append-only ledger. There is no other way in than `append`, and none to change or remove. */
export class LedgerRepository {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Appends canonical bytes. The head of the ledger stays locked until the transaction ends, so call it last, after every other row lock.
   * Only fc_global and fc_accountant may.
   */
  async append(kind: string, body: Uint8Array): Promise<LedgerPosition> {
    const rows = await clientOf(this.#session).$queryRaw<
      { seq: bigint; leaf_hash: Uint8Array; chain_hash: Uint8Array }[]
    >`SELECT seq, leaf_hash, chain_hash FROM ledger.append(${kind}, ${body})`;
    const [row] = rows;
    if (row === undefined) throw new Error('ledger.append returned no row');
    return { seq: Number(row.seq), leafHash: row.leaf_hash, chainHash: row.chain_hash };
  }

  /** Appends entries in their order, at least one, as `append` does one by one. Returns how many the ledger has then. */
  async appendAll(entries: readonly Pick<LedgerRow, 'kind' | 'body'>[]): Promise<number> {
    const [row] = await sqlIn(this.#session).query<{ size: number }>(APPEND_ALL, [
      entries.map(({ kind }) => kind),
      entries.map(({ body }) => body),
    ]);
    if (row === undefined) throw new Error('ledger.append returned no row');
    return row.size;
  }

  async head(): Promise<LedgerHead> {
    const { size, chainHash } = await clientOf(this.#session).ledgerHead.findFirstOrThrow();
    return { size: Number(size), chainHash };
  }

  /** Entries `from` (inclusive) to `to` (exclusive; the end when left out), read in pages. Needs a `session` that lives long enough. */
  async *entries(from = 0, to = Number.MAX_SAFE_INTEGER): AsyncGenerator<LedgerRow> {
    for (let next = from; next < to;) {
      const page = await clientOf(this.#session).ledgerEntry.findMany({
        where: { seq: { gte: next, lt: to } },
        orderBy: { seq: 'asc' },
        take: PAGE,
      });
      for (const { seq, kind, body, leafHash, chainHash, appendedAt } of page) {
        yield { seq: Number(seq), kind, body, leafHash, chainHash, appendedAtMs: appendedAt.getTime() };
      }
      if (page.length < PAGE) return;
      next += PAGE;
    }
  }

  /** Leaf hashes from `from` (inclusive) to the head, in order: what an RFC 6962 root is computed from. */
  async leafHashes(from = 0): Promise<Uint8Array[]> {
    const rows = await clientOf(this.#session).ledgerEntry.findMany({
      where: { seq: { gte: from } },
      orderBy: { seq: 'asc' },
      select: { leafHash: true },
    });
    return rows.map(({ leafHash }) => leafHash);
  }

  /** Keeps a signed checkpoint over the current head and locks it. Refused when `size` is not the number of entries, or already has one. */
  async addCheckpoint(size: number, note: string): Promise<void> {
    await clientOf(this.#session).$queryRaw`SELECT ledger.add_checkpoint(${BigInt(size)}, ${note})::text`;
  }

  /** All checkpoints in order of size. */
  async checkpoints(): Promise<CheckpointRow[]> {
    const rows = await clientOf(this.#session).ledgerCheckpoint.findMany({ orderBy: { size: 'asc' } });
    return rows.map(toCheckpoint);
  }

  async latestCheckpoint(): Promise<CheckpointRow | undefined> {
    const row = await clientOf(this.#session).ledgerCheckpoint.findFirst({ orderBy: { size: 'desc' } });
    return row === null ? undefined : toCheckpoint(row);
  }
}

function toCheckpoint({ size, note, signedAt }: { size: bigint; note: string; signedAt: Date }): CheckpointRow {
  return { size: Number(size), note, signedAtMs: signedAt.getTime() };
}
