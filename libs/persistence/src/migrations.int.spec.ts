import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testDatabase } from '@fedcarbon/testing';
import pg from 'pg';
import { defaultMigrationsDir, migrate, MigrationError } from './index.ts';

const ALL = ['0001_initial', '0002_masking'];

describe('migrate', () => {
  let dir: string;
  let url: string;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'migrations-'));
    cpSync(defaultMigrationsDir(), dir, { recursive: true });
    url = await testDatabase();
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  const add = (name: string, sql: string) => {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'migration.sql'), sql);
  };
  const query = async (sql: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };

  it('applies each migration once and keeps the bookkeeping of Prisma', async () => {
    expect(await migrate(url, dir)).toEqual(ALL);
    expect(await migrate(url, dir)).toEqual([]);
    add('9999_more', 'CREATE TABLE public.more (id int)');
    expect(await migrate(url, dir)).toEqual(['9999_more']);

    const rows = await query('SELECT * FROM _prisma_migrations ORDER BY migration_name');
    const sql = readFileSync(join(dir, '0001_initial', 'migration.sql'));
    expect(rows).toMatchObject([
      {
        migration_name: '0001_initial',
        checksum: createHash('sha256').update(sql).digest('hex'),
        applied_steps_count: 1,
        rolled_back_at: null,
        logs: null,
      },
      ...ALL.slice(1).map((name) => ({ migration_name: name })),
      { migration_name: '9999_more' },
    ]);
    expect(rows.every((row) => row['finished_at'] instanceof Date)).toBe(true);
  });

  it('lets one of several at once do the work', async () => {
    const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(url, dir)));
    expect(applied.flat()).toEqual(ALL);
  });

  it('migrates several databases of one server at once', async () => {
    const urls = await Promise.all([testDatabase(), testDatabase(), testDatabase()]);
    await expect(Promise.all(urls.map((one) => migrate(one, dir)))).resolves.toHaveLength(3);
  });

  it('works for an owner who is no superuser', async () => {
    const name = `owner_${createHash('sha256').update(url).digest('hex').slice(0, 12)}`;
    const database = new URL(url).pathname.slice(1);
    await migrate(await testDatabase(), dir); // The group roles exist and belong to somebody else.
    await query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD 'owner-password'`);
    try {
      await query(`GRANT CREATE ON DATABASE "${database}" TO ${name}; GRANT CREATE ON SCHEMA public TO ${name}`);
      await query(`GRANT fc_owner TO ${name}`);
      const owned = new URL(url);
      [owned.username, owned.password] = [name, 'owner-password'];
      expect(await migrate(owned.href, dir)).toEqual(ALL);
    } finally {
      await query(`DROP OWNED BY ${name}`);
      await query(`DROP ROLE ${name}`);
    }
  });

  it('refuses a migration that was changed after it was applied', async () => {
    await migrate(url, dir);
    appendFileSync(join(dir, '0001_initial', 'migration.sql'), '-- afterthought\n');
    const refused = migrate(url, dir);
    await expect(refused).rejects.toThrow(MigrationError);
    await expect(refused).rejects.toThrow(/0001_initial was changed after it was applied .* new migration/);
  });

  it('refuses a database that a newer release has migrated', async () => {
    add('9999_newer', 'SELECT 1');
    await migrate(url, dir);
    rmSync(join(dir, '9999_newer'), { recursive: true });
    await expect(migrate(url, dir)).rejects.toThrow(/has migration 9999_newer/);
  });

  it('leaves nothing of a migration that fails', async () => {
    add('9999_broken', 'CREATE TABLE public.half (id int); SELECT 1/0;');
    await expect(migrate(url, dir)).rejects.toThrow(/9999_broken failed and left nothing behind: division by zero/);
    expect(await query("SELECT to_regclass('public.half') AS half")).toEqual([{ half: null }]);
    expect(await query('SELECT migration_name FROM _prisma_migrations ORDER BY migration_name')).toEqual(
      ALL.map((name) => ({ migration_name: name })),
    );
  });

  it('says where it looked for migrations, and never the password', async () => {
    await expect(migrate(url, join(dir, 'nowhere'))).rejects.toThrow(/nowhere: set FEDCARBON_MIGRATIONS_DIR/);
    const elsewhere = migrate('postgresql://someone:hunter2@127.0.0.1:1/none', dir);
    await expect(elsewhere).rejects.toThrow(/could not be migrated/);
    await expect(elsewhere).rejects.not.toThrow(/hunter2/);
  });
});
