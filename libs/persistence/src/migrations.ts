import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, FedcarbonError } from '@fedcarbon/kernel';
import pg from 'pg';

/** The database and the migrations of this release do not fit together, or a migration failed. */
export class MigrationError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('migration_failed', message, options);
  }
}

/** The lock that Prisma's own `migrate` takes, so that both may be used on one database. */
const PRISMA_LOCK = 72707369;
const LOCK_TIMEOUT_MS = 60_000;

/** Prisma's bookkeeping, as `prisma migrate deploy` creates it. */
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL,
  logs TEXT,
  rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`;

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** Folder of the migrations: FEDCARBON_MIGRATIONS_DIR, else `prisma/migrations` of the checkout (the same from `src` and from `dist`). */
export function defaultMigrationsDir(): string {
  return (
    process.env['FEDCARBON_MIGRATIONS_DIR'] ?? fileURLToPath(new URL('../../../prisma/migrations', import.meta.url))
  );
}

/**
 * Applies what is missing, in order of name, each in a transaction of its own, and returns the names. Safe to run again and by several at once.
 * The bookkeeping is Prisma's, so `prisma migrate status` and `deploy` agree. `ownerUrl` is of a superuser or of a user who may create roles and schemas.
 * Throws MigrationError: for a changed, unknown or half-applied migration nothing is done.
 */
export async function migrate(ownerUrl: string, migrationsDir = defaultMigrationsDir()): Promise<string[]> {
  const migrations = readMigrations(migrationsDir);
  const client = new pg.Client({
    connectionString: ownerUrl,
    application_name: 'fedcarbon migrate',
    connectionTimeoutMillis: 10_000,
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  client.on('error', () => undefined); // The statement under way reports it.
  try {
    await client.connect();
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK]);
    await client.query("SET client_min_messages = 'warning'");
    await client.query(BOOKKEEPING);
    const applied = await appliedChecksums(client, migrations, migrationsDir);
    const missing = migrations.filter(({ name }) => !applied.has(name));
    for (const migration of missing) await apply(client, migration);
    return missing.map(({ name }) => name);
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    throw new MigrationError(`the database could not be migrated: ${describeError(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined); // This also gives the advisory lock back.
  }
}

function readMigrations(dir: string): Migration[] {
  if (!existsSync(dir)) {
    throw new MigrationError(
      `there are no migrations in ${dir}: set FEDCARBON_MIGRATIONS_DIR to the folder prisma/migrations`,
    );
  }
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(dir, entry.name, 'migration.sql')))
    .map(({ name }) => {
      const sql = readFileSync(join(dir, name, 'migration.sql'));
      return { name, sql: sql.toString('utf8'), checksum: createHash('sha256').update(sql).digest('hex') };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Names of the migrations that the database has, after checking that they are the ones we have. */
async function appliedChecksums(
  client: pg.Client,
  migrations: readonly Migration[],
  dir: string,
): Promise<Set<string>> {
  const { rows } = await client.query<{ migration_name: string; checksum: string; finished: boolean }>(
    `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  const ours = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { migration_name: name, checksum, finished } of rows) {
    const migration = ours.get(name);
    if (!finished) {
      throw new MigrationError(
        `migration ${name} was begun by the Prisma CLI and did not finish: repair the database, then run \`prisma migrate resolve\``,
      );
    }
    if (migration === undefined) {
      throw new MigrationError(
        `the database has migration ${name}, which ${dir} lacks: run the release that made it, or a newer one`,
      );
    }
    if (migration.checksum !== checksum) {
      throw new MigrationError(
        `migration ${name} was changed after it was applied (SHA-256 ${checksum} then, ${migration.checksum} now): restore the file and put the change into a new migration`,
      );
    }
  }
  return new Set(rows.map(({ migration_name: name }) => name));
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
       VALUES ($1, $2, clock_timestamp(), $3, 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw new MigrationError(`migration ${name} failed and left nothing behind: ${describeError(error)}`, {
      cause: error,
    });
  }
}
