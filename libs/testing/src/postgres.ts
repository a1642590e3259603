import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type PostgresServer, freePort, resolveStack, startPostgres as startProcess } from '@fedcarbon/stack';
import pg from 'pg';
import { startPostgresContainer } from './containers.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A Postgres on 127.0.0.1 for tests. */
export interface TestPostgres {
  /** The superuser's, for the database `postgres`. */
  readonly url: string;
  /** Makes an empty database and returns the superuser's url for it. */
  createDatabase(name?: string): Promise<string>;
  /** Ends the server, cleanly unless it is dead already, and starts it again with the same url and data. */
  restart(): Promise<void>;
  /** Ends the server without warning, as a crash does. `restart` brings it back. */
  kill9(): Promise<void>;
  stop(): Promise<void>;
}

/** Many small suites at once; data survives a crash of the server (not of the machine) also with `fsync` off. */
const SETTINGS = { max_connections: '200', shared_buffers: '64MB' };
const FAST = { fsync: 'off', full_page_writes: 'off' };

/**
 * Starts a Postgres of its own, for tests that stop or break it; others share one: `testDatabase`.
 * `durable` keeps fsync on. With FEDCARBON_TEST_STACK=containers it runs in a container.
 */
export async function startPostgres({ durable = false } = {}): Promise<TestPostgres> {
  const settings = { ...SETTINGS, ...(durable ? {} : FAST) };
  if (process.env['FEDCARBON_TEST_STACK'] === 'containers')
    return withDatabases(await startPostgresContainer(settings));

  const folder = temporaryFolder('postgres');
  const port = await freePort();
  const { postgresBin } = resolveStack();
  const start = () => startProcess({ postgresBin, dataDir: join(folder.path, 'data'), port, settings });
  let server: PostgresServer = await start().catch((error: unknown) => {
    folder.remove();
    throw error;
  });
  return withDatabases({
    url: server.url,
    async restart() {
      await server.stop();
      server = await retryStart(start);
    },
    async kill9() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async stop() {
      await server.stop();
      folder.remove();
    },
  });
}

/** After a crash, the old server's children hold its memory and port for a moment. */
async function retryStart(start: () => Promise<PostgresServer>): Promise<PostgresServer> {
  for (let attemptsLeft = 40; ; attemptsLeft--) {
    try {
      return await start();
    } catch (error) {
      const passing = /shared memory|in use|lock file/.test(String(error));
      if (!passing || attemptsLeft === 0) throw error;
      await new Promise((done) => setTimeout(done, 250));
    }
  }
}

function withDatabases(server: Omit<TestPostgres, 'createDatabase'>): TestPostgres {
  return { ...server, createDatabase: (name) => createDatabase(server.url, name) };
}

async function createDatabase(serverUrl: string, name = `test_${randomBytes(6).toString('hex')}`): Promise<string> {
  await execute(serverUrl, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function execute(url: string, sql: string): Promise<pg.QueryResult<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query<Record<string, unknown>>(sql);
  } finally {
    await client.end();
  }
}

/** What the shared databases of one jest run are called, so that they can be told from others on a server that stays. */
const runPrefix = () => `fedcarbon_test_${process.env['FEDCARBON_TEST_RUN']}_`;

/**
 * A fresh, empty database on the Postgres that all suites of a jest run share; returns the url of a user who may do
 * everything. Roles belong to the server, so suites that make roles must accept those of others.
 */
export function testDatabase(): Promise<string> {
  const url = process.env['FEDCARBON_TEST_DATABASE_URL'];
  if (url === undefined) throw new Error('there is no shared Postgres: name the file *.int.spec.ts or *.e2e.spec.ts');
  return createDatabase(url, `${runPrefix()}${randomBytes(6).toString('hex')}`);
}

/** Drops what `testDatabase` made in this run, for a server that outlives it. */
export async function dropTestDatabases(serverUrl: string): Promise<void> {
  const { rows } = await execute(serverUrl, 'SELECT datname FROM pg_database');
  const names = rows.map((row) => String(row['datname'])).filter((name) => name.startsWith(runPrefix()));
  for (const name of names) await execute(serverUrl, `DROP DATABASE ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}
