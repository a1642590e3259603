import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgres, type TestPostgres } from '@fedcarbon/testing';
import { createDatabase, type Database, DatabaseUnavailableError, LedgerRepository, migrate } from './index.ts';

describe('database while Postgres goes away', () => {
  let postgres: TestPostgres;
  let database: Database;
  beforeAll(async () => {
    postgres = await startPostgres();
    const url = await postgres.createDatabase();
    await migrate(url);
    database = createDatabase({ url, poolSize: 3 });
  });
  afterAll(async () => {
    await database.close();
    await postgres.stop();
  });

  const append = () => new LedgerRepository(database.session).append('x', Uint8Array.of(1));
  const size = async () => (await new LedgerRepository(database.session).head()).size;

  /** Postgres goes away between two statements of a transaction. */
  const interruptedBy = (event: () => Promise<void>) =>
    database.transaction(async (session) => {
      await new LedgerRepository(session).append('x', Uint8Array.of(2));
      await event();
      await new LedgerRepository(session).append('x', Uint8Array.of(3));
    });

  it('says so through every way in when Postgres crashes, and works again by itself', async () => {
    const before = await size();
    expect(await database.status()).toBe(true);
    await expect(interruptedBy(() => postgres.kill9())).rejects.toThrow(DatabaseUnavailableError);
    for (const attempt of [
      () => append(),
      () => database.transaction((session) => new LedgerRepository(session).head()),
      () => database.sql.query('SELECT 1', []),
      () => database.sql.transaction((session) => session.query('SELECT 1', [])),
      () => database.ping(),
    ]) {
      await expect(attempt()).rejects.toThrow(DatabaseUnavailableError);
    }
    expect(await database.status()).toMatch(/unavailable/);

    await postgres.restart();
    expect(await database.status()).toBe(true);
    await append();
    expect(await size()).toBe(before + 1);
  });

  it('loses only what was under way when Postgres restarts', async () => {
    const before = await size();
    await expect(interruptedBy(() => postgres.restart())).rejects.toThrow(DatabaseUnavailableError);
    await append();
    expect(await size()).toBe(before + 1);
  });

  it('rolls back and keeps other errors as they are', async () => {
    const before = await size();
    const failing = database.transaction(async (session) => {
      await new LedgerRepository(session).append('x', Uint8Array.of(1));
      throw new RangeError('mine');
    });
    await expect(failing).rejects.toThrow(RangeError);
    await expect(database.sql.query('SELECT nonsense', [])).rejects.not.toThrow(DatabaseUnavailableError);
    expect(await size()).toBe(before);
  });
});
