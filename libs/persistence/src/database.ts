import { setFlagsFromString } from 'node:v8';
import { describeError } from '@fedcarbon/kernel';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { mapDatabaseErrors } from './errors.ts';
import { PrismaClient } from './generated/client.ts';
import { type Session, sessionOf } from './session.ts';
import { SqlPool } from './sql-pool.ts';

// Prisma's query compiler is WebAssembly, and here it runs a few times a second: the code that V8 makes of it at first will do. Optimising it took up to
// 70 MB of resident memory. It is compiled at the first query, so this comes in time.
setFlagsFromString('--no-wasm-tier-up');
setFlagsFromString('--no-wasm-dynamic-tiering');

export interface DatabaseOptions {
  /** `postgresql://user:password@host:port/database`; the user is a member of one of the group roles. */
  readonly url: string;
  /** Most connections at a time. */
  readonly poolSize: number;
  /** Shown by pg_stat_activity. */
  readonly applicationName?: string;
}

/** How long a statement waits for a connection: a restart of Postgres takes a few seconds, and a caller would rather hear of it than hang. */
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;

/** A pool of connections. It connects on first use and, after Postgres was away, on the next use: there is nothing to restart. */
export class Database {
  /** Each statement on its own, for reads and single-statement writes. Throws DatabaseUnavailableError as `transaction` does. */
  readonly session: Session;
  /** The pg driver beneath, for the few paths that Prisma's transactions are too slow for. */
  readonly sql: SqlPool;
  readonly #prisma: PrismaClient;
  readonly #pool: pg.Pool;

  constructor(options: DatabaseOptions) {
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.poolSize,
      application_name: options.applicationName ?? 'fedcarbon',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
      // Statements issued together share a round trip; the pg driver would otherwise hold each back until the one before has answered.
      pipeline: true,
    });
    // An idle connection that breaks is no event of ours: the pool drops it, the next statement opens another.
    this.#pool.on('error', () => undefined);
    const prisma = new PrismaClient({
      adapter: new PrismaPg(this.#pool, { disposeExternalPool: false }),
      transactionOptions: { maxWait: CONNECT_TIMEOUT_MS, timeout: STATEMENT_TIMEOUT_MS },
    });
    this.#prisma = prisma.$extends({
      query: { $allOperations: ({ args, query }) => mapDatabaseErrors(() => query(args)) },
    }) as unknown as PrismaClient; // The extension adds nothing to the interface.
    this.session = sessionOf(this.#prisma);
    this.sql = new SqlPool(this.#pool);
  }

  /**
   * Runs `work` in one READ COMMITTED transaction: committed when it resolves, rolled back when it throws.
   * Throws DatabaseUnavailableError when the database went away; whether a commit under way took effect is then unknown, so `work` must be idempotent.
   */
  transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return mapDatabaseErrors(() => this.#prisma.$transaction((client) => work(sessionOf(client))));
  }

  /** Resolves when a statement went through. Throws DatabaseUnavailableError. */
  async ping(): Promise<void> {
    await this.sql.query('SELECT 1', []);
  }

  /** `true` while statements go through, else a reason; for readiness probes. */
  async status(): Promise<true | string> {
    try {
      await this.ping();
      return true;
    } catch (error) {
      return describeError(error);
    }
  }

  /** Lets running statements finish and closes all connections. */
  async close(): Promise<void> {
    await this.#prisma.$disconnect();
    await this.#pool.end();
  }
}

/** Opens a database. Nothing is sent until the first statement. */
export function createDatabase(options: DatabaseOptions): Database {
  return new Database(options);
}
