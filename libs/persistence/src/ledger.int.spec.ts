import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { leafHash } from '@fedcarbon/ledger';
import { testDatabase } from '@fedcarbon/testing';
import { type Database, LedgerRepository, type LedgerRow } from './index.ts';
import { type MigratedDatabase, migratedDatabase } from './testing/migrated-database.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

async function entriesOf(database: Database): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = [];
  for await (const row of new LedgerRepository(database.session).entries()) rows.push(row);
  return rows;
}

/** First seq whose hashes do not follow from the bodies, recomputed with the definitions of @fedcarbon/ledger; undefined for a sound chain. */
function firstBreak(rows: readonly LedgerRow[]): number | undefined {
  let chain = new Uint8Array(32);
  for (const [i, row] of rows.entries()) {
    const leaf = leafHash(sha256, row.body);
    chain = sha256(Buffer.concat([chain, leaf]));
    const sound =
      row.seq === i && Buffer.compare(leaf, row.leafHash) === 0 && Buffer.compare(chain, row.chainHash) === 0;
    if (!sound) return i;
  }
  return undefined;
}

describe('ledger', () => {
  let db: MigratedDatabase;
  let global: Database;
  let accountant: Database;

  beforeAll(async () => {
    db = await migratedDatabase(await testDatabase());
    global = await db.as('fc_global');
    accountant = await db.as('fc_accountant');
  });
  afterAll(() => db.close());

  it('makes one gapless chain of concurrent appends, rollbacks included', async () => {
    const append = async (database: Database, i: number) => {
      await database.transaction(async (session) => {
        await new LedgerRepository(session).append('test', bytes(`entry ${String(i)}`));
        if (i % 5 === 0) throw new Error('roll back');
      });
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, i) => append(i % 2 === 0 ? global : accountant, i)),
    );
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(12);

    const rows = await entriesOf(global);
    expect(rows).toHaveLength(48);
    expect(firstBreak(rows)).toBeUndefined();
    const head = await new LedgerRepository(global.session).head();
    expect(head).toEqual({ size: 48, chainHash: rows.at(-1)?.chainHash });
    expect(await new LedgerRepository(global.session).leafHashes(46)).toEqual(
      rows.slice(46).map((row) => row.leafHash),
    );
  });

  it('appends many in their order, and reads in pages, from and to a position', async () => {
    const added = Array.from({ length: 520 }, (_, i) => ({ kind: 'page', body: bytes(String(i)) }));
    const size = await global.transaction((session) => new LedgerRepository(session).appendAll(added));
    const all = await entriesOf(global);
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: size }, (_, i) => i));
    expect(firstBreak(all)).toBeUndefined();
    expect(all.slice(-520)).toMatchObject(added);
    const some: number[] = [];
    for await (const { seq } of new LedgerRepository(global.session).entries(10, 515)) some.push(seq);
    expect(some).toEqual(Array.from({ length: 505 }, (_, i) => i + 10));
  });

  it('keeps checkpoints over the head only, by global-aggregator only', async () => {
    const { size } = await new LedgerRepository(global.session).head();
    for (const wrong of [size - 1, size + 1]) {
      await expect(new LedgerRepository(global.session).addCheckpoint(wrong, 'note')).rejects.toThrow(
        /does not fit the ledger/,
      );
    }
    await expect(new LedgerRepository(accountant.session).addCheckpoint(size, 'note')).rejects.toThrow(
      /permission denied/,
    );
    await new LedgerRepository(global.session).addCheckpoint(size, 'note');
    await expect(new LedgerRepository(global.session).addCheckpoint(size, 'other note')).rejects.toThrow(/[Uu]nique/);
    expect(await new LedgerRepository(global.session).latestCheckpoint()).toMatchObject({ size, note: 'note' });
    expect(await new LedgerRepository(global.session).checkpoints()).toHaveLength(1);
  });

  const changes = [
    "INSERT INTO ledger.entry (kind, body) VALUES ('x', 'x')",
    "UPDATE ledger.entry SET body = 'x' WHERE seq = 0",
    'DELETE FROM ledger.entry',
    'TRUNCATE ledger.entry',
    "UPDATE ledger.checkpoint SET note = 'x'",
    'DELETE FROM ledger.checkpoint',
    'TRUNCATE ledger.checkpoint',
    'UPDATE ledger.head SET size = size + 1',
    'DELETE FROM ledger.head',
    'TRUNCATE ledger.head',
    'ALTER TABLE ledger.entry DISABLE TRIGGER ALL',
    'DROP TRIGGER append_only ON ledger.entry',
    'CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE sql AS $$ SELECT NULL $$',
    'SET ROLE fc_owner',
  ];
  it.each(changes)('no role of the application may: %s', async (sql) => {
    for (const role of ['fc_global', 'fc_accountant', 'fc_region', 'fc_api'] as const) {
      const database = await db.as(role, 1);
      await expect(database.sql.query(sql, [])).rejects.toThrow(/permission denied|must be owner|not.*owner/);
    }
  });

  it.each([
    "UPDATE ledger.entry SET body = 'x' WHERE seq = 0",
    'DELETE FROM ledger.entry WHERE seq = 0',
    'TRUNCATE ledger.entry',
    "UPDATE ledger.checkpoint SET note = 'x'",
    'DELETE FROM ledger.checkpoint',
    'TRUNCATE ledger.checkpoint',
    'UPDATE ledger.head SET size = 3',
    'DELETE FROM ledger.head',
    'TRUNCATE ledger.head',
  ])('triggers refuse even the owner: %s', async (sql) => {
    await expect(
      db.owner.sql.transaction(async (session) => {
        await session.query('SET LOCAL ROLE fc_owner', []);
        await session.query(sql, []);
      }),
    ).rejects.toThrow(/append-only/);
  });

  it('gives an entry that the owner inserts its true place and hashes', async () => {
    const before = await new LedgerRepository(global.session).head();
    await db.owner.sql.query(
      "INSERT INTO ledger.entry (seq, kind, body, leaf_hash, chain_hash, appended_at) VALUES (999999, 'x', 'by hand', 'x', 'x', now())",
      [],
    );
    const rows = await entriesOf(global);
    expect(rows).toHaveLength(before.size + 1);
    expect(firstBreak(rows)).toBeUndefined();
  });

  it('shows where a superuser who disabled the triggers has tampered', async () => {
    await db.owner.sql.transaction(async (session) => {
      await session.query('SET LOCAL session_replication_role = replica', []);
      await session.query(
        "UPDATE ledger.entry SET body = 'forged', leaf_hash = sha256('\\x00'::bytea || 'forged'::bytea) WHERE seq = 7",
        [],
      );
    });
    expect(firstBreak(await entriesOf(global))).toBe(7);
  });
});
