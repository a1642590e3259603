import type pg from 'pg';
import { mapDatabaseErrors } from './errors.ts';
import { clientOf, type Session } from './session.ts';

type SqlScalar = string | number | boolean | null | Uint8Array | Date;
export type SqlValue = SqlScalar | readonly SqlScalar[];
export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs one statement with `$1`-style values. A `name` keeps it prepared on the connection. Statements issued without waiting are sent at once and run in order. */
export interface SqlSession {
  query<Row extends SqlRow>(text: string, values: readonly SqlValue[], name?: string): Promise<Row[]>;
}

/** The pg driver without Prisma: for paths whose speed is set by round trips (Prisma's interactive transactions cost several times as much). */
export class SqlPool implements SqlSession {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  query<Row extends SqlRow>(text: string, values: readonly SqlValue[], name?: string): Promise<Row[]> {
    return mapDatabaseErrors(() => run<Row>(this.#pool, text, values, name));
  }

  /** Runs `work` in one READ COMMITTED transaction. Throws DatabaseUnavailableError as `Database.transaction` does. */
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return mapDatabaseErrors(async () => {
      const client = await this.#pool.connect();
      let broken = false;
      // Between two statements nobody else listens, and an unheard 'error' would end the process.
      const onError = () => (broken = true);
      client.on('error', onError);
      try {
        // Sent together with the first statements, which run behind it.
        const [, result] = await Promise.all([
          client.query('BEGIN'),
          work({ query: (text, values, name) => run(client, text, values, name) }),
        ]);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => (broken = true));
        throw error;
      } finally {
        client.removeListener('error', onError);
        client.release(broken);
      }
    });
  }
}

/** Statements in the transaction of a repository's session, slower than on the pool itself. */
export function sqlIn(session: Session): SqlSession {
  const client = clientOf(session);
  return {
    query: <Row extends SqlRow>(text: string, values: readonly SqlValue[]) =>
      client.$queryRawUnsafe<Row[]>(text, ...values),
  };
}

async function run<Row extends SqlRow>(
  client: pg.Pool | pg.PoolClient,
  text: string,
  values: readonly SqlValue[],
  name?: string,
): Promise<Row[]> {
  // pg tells bytes by Buffer.isBuffer or ArrayBuffer.isView, so a Uint8Array goes as bytea.
  const { rows } = await client.query<Row>({ text, values: [...values], ...(name === undefined ? {} : { name }) });
  return rows;
}
