import { afterAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { connect } from '@nats-io/transport-node';
import { type TestNats, sharedNatsUrl, startNats } from './nats.ts';
import { type TestPostgres, startPostgres, testDatabase } from './postgres.ts';

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('shared servers', () => {
  it('give each caller an empty database of its own', async () => {
    const [first, second] = [await testDatabase(), await testDatabase()];
    await query(first, 'CREATE TABLE building (id int)');
    expect(await query(first, 'SELECT * FROM building')).toEqual([]);
    await expect(query(second, 'SELECT * FROM building')).rejects.toThrow('does not exist');
  });

  it('give a broker with JetStream', async () => {
    const connection = await connect({ servers: sharedNatsUrl() });
    expect(connection.info?.jetstream).toBe(true);
    await connection.close();
  });
});

describe('a Postgres of its own', () => {
  let postgres: TestPostgres | undefined;
  afterAll(() => postgres?.stop());

  it('keeps what was committed over a crash and a clean restart, at the same address', async () => {
    postgres = await startPostgres();
    const url = await postgres.createDatabase('stock');
    await query(url, 'CREATE TABLE building (id int)');
    await query(url, 'INSERT INTO building VALUES (1)');
    await postgres.kill9();
    await expect(query(url, 'SELECT 1')).rejects.toThrow();
    await postgres.restart();
    await query(url, 'INSERT INTO building VALUES (2)');
    await postgres.restart();
    expect(await query(url, 'SELECT id FROM building ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  }, 60_000);
});

describe('a nats-server of its own', () => {
  let nats: TestNats | undefined;
  afterAll(() => nats?.stop());

  it('takes a configuration and comes back after a crash at the same address', async () => {
    nats = await startNats({ config: 'authorization { user: holder, password: secret }\n' });
    const login = { servers: nats.url, user: 'holder', pass: 'secret', reconnect: false };
    await (await connect(login)).close();
    await expect(connect({ servers: nats.url, reconnect: false })).rejects.toThrow();
    await nats.kill9();
    await expect(connect(login)).rejects.toThrow();
    await nats.restart();
    await (await connect(login)).close();
  }, 60_000);

  it('says what is wrong with a configuration', async () => {
    await expect(startNats({ config: 'accounts {' })).rejects.toThrow(/nats-server did not start: .*Parse error/);
  });
});
