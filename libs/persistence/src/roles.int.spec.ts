import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDatabase } from '@fedcarbon/testing';
import { type Database, GROUP_ROLES, type GroupRole, OutboxRepository, provisionLogin } from './index.ts';
import { type MigratedDatabase, migratedDatabase } from './testing/migrated-database.ts';

/** What each role may do with each table; anything that is not listed is refused. S select, I insert, U update of some columns. */
const RIGHTS: Readonly<Record<string, Partial<Record<GroupRole, string>>>> = {
  'federation.plan': { fc_global: 'SIU', fc_accountant: 'S', fc_api: 'S' },
  'federation.member': { fc_global: 'SI', fc_accountant: 'S', fc_api: 'S' },
  'rounds.round': { fc_global: 'SIU', fc_api: 'S' },
  'rounds.regional_report': { fc_global: 'SI' },
  'rounds.accepted_update': { fc_global: 'SI', fc_api: 'S' },
  'rounds.masking_fact': { fc_global: 'SI' },
  'region.round': { fc_region: 'SIU' },
  'region.update': { fc_region: 'SI' },
  'region.declined': { fc_region: 'SI' },
  'privacy.budget': { fc_global: 'S', fc_accountant: 'SIU', fc_api: 'S' },
  'privacy.reservation': { fc_accountant: 'SIU' },
  'privacy.refusal': { fc_accountant: 'SI' },
  'privacy.charge': { fc_global: 'S', fc_accountant: 'S', fc_api: 'S' },
  'ledger.head': { fc_global: 'S', fc_api: 'S' },
  'ledger.entry': { fc_global: 'S', fc_api: 'S' },
  'ledger.checkpoint': { fc_global: 'S', fc_api: 'S' },
  'published.model': { fc_global: 'SI', fc_api: 'S' },
  'published.benchmark_release': { fc_global: 'SI', fc_api: 'S' },
  'outbox.message': { fc_global: 'SIU', fc_region: 'SIU' },
};

describe('roles', () => {
  let db: MigratedDatabase;
  beforeAll(async () => {
    db = await migratedDatabase(await testDatabase());
  });
  afterAll(() => db.close());

  const message = (messageId: string) => ({
    subject: 's',
    messageId,
    payload: Uint8Array.of(1),
    signature: Uint8Array.of(2),
  });

  it('may do with each table what the design says, and nothing more', async () => {
    const found: Record<string, Partial<Record<GroupRole, string>>> = {};
    const tables = await db.owner.sql.query<{ name: string }>(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'v', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
       AND c.relname <> '_prisma_migrations'`,
      [],
    );
    for (const { name } of tables) {
      const rights: Partial<Record<GroupRole, string>> = {};
      for (const role of GROUP_ROLES) {
        const [row] = await db.owner.sql.query<Record<string, boolean>>(
          `SELECT has_table_privilege($1, $2, 'SELECT') AS "S", has_table_privilege($1, $2, 'INSERT') AS "I",
             has_any_column_privilege($1, $2, 'UPDATE') AS "U", has_table_privilege($1, $2, 'UPDATE') AS "whole-row update",
             has_table_privilege($1, $2, 'DELETE') AS "delete", has_table_privilege($1, $2, 'TRUNCATE') AS "truncate"`,
          [role, name],
        );
        const list = Object.entries(row ?? {}).flatMap(([right, granted]) => (granted ? [right] : []));
        if (list.length > 0) rights[role] = list.join('');
      }
      found[name] = rights;
    }
    expect(found).toEqual(RIGHTS);
  });

  it('may append to the ledger as global-aggregator and accountant only', async () => {
    for (const role of GROUP_ROLES) {
      const database = await db.as(role, 1);
      const append = database.sql.query("SELECT seq FROM ledger.append('x', 'x')", []);
      if (role === 'fc_global' || role === 'fc_accountant') await expect(append).resolves.toHaveLength(1);
      else await expect(append).rejects.toThrow(/permission denied/);
    }
  });

  it('see their own outbox only', async () => {
    const global = await db.as('fc_global');
    const region = await db.as('fc_region');
    await new OutboxRepository(global.sql, 'global').enqueue(message('g'));
    await new OutboxRepository(region.sql, 'region:north').enqueue(message('n'));
    const visible = async (database: Database) =>
      (await database.sql.query<{ message_id: string }>('SELECT message_id FROM outbox.message', [])).map(
        (r) => r.message_id,
      );
    expect(await visible(global)).toEqual(['g']);
    expect(await visible(region)).toEqual(['n']);
    await expect(new OutboxRepository(global.sql, 'region:north').enqueue(message('forged'))).rejects.toThrow(
      /row-level security/,
    );
    await expect(new OutboxRepository(region.sql, 'global').enqueue(message('forged'))).rejects.toThrow(
      /row-level security/,
    );
    await expect(new OutboxRepository(db.owner.sql, 'region:south').pending(5)).resolves.toEqual([]);
  });

  it('are given to login users, whose password can be renewed and is never sent or shown', async () => {
    const user = new URL(await db.loginUrl('fc_api')).username;
    const verifier = async () => {
      const [row] = await db.owner.sql.query<{ rolpassword: string }>(
        'SELECT rolpassword FROM pg_authid WHERE rolname = $1',
        [user],
      );
      return row?.rolpassword;
    };
    const first = await verifier();
    await provisionLogin(db.ownerUrl, user, 'another-password', 'fc_api');
    expect(await verifier()).toMatch(/^SCRAM-SHA-256\$4096:/);
    expect(await verifier()).not.toBe(first);

    await expect(provisionLogin(db.ownerUrl, user, 'a secret with spaces', 'fc_api')).rejects.not.toThrow(/secret/);
    const nowhere = 'postgresql://nobody:wrong-secret@127.0.0.1:1/none';
    await expect(provisionLogin(nowhere, 'user', 'another-secret', 'fc_api')).rejects.not.toThrow(/secret/);
  });
});
