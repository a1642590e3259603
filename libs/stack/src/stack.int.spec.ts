import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startNatsServer } from './nats-server.ts';
import { freePort } from './ports.ts';
import { postgresDataDir, startPostgres } from './postgres.ts';
import { checkoutRoot, resolveStack } from './resolve.ts';

const programs = resolveStack();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedcarbon-stack-'));
  chmodSync(folder, 0o755);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Occupies a port while `work` runs. */
async function withBusyPort(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer();
  const port = await freePort();
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  await work(port).finally(() => server.close());
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('startPostgres', () => {
  it('asks for the password that it was initialised with, and stops', async () => {
    const options = { ...programs, dataDir: join(folder, 'data'), password: 'a b/c' };
    const server = await startPostgres(options);
    const login = async (url: string) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.end();
    };
    await login(server.url);
    await expect(login(server.url.replace(':a%20b%2Fc@', ':wrong@'))).rejects.toThrow('password authentication failed');
    await server.stop();
    await expect(server.exited).resolves.toEqual({ code: 0, signal: null });
    await server.stop();
  }, 60_000);

  it('names a port that is in use', async () => {
    await withBusyPort(async (port) => {
      await expect(startPostgres({ ...programs, dataDir: join(folder, 'data'), port })).rejects.toThrow(
        `Port ${port}, wanted for Postgres, is already in use: stop what uses it or choose another port.`,
      );
    });
  }, 60_000);

  it('refuses a folder of another major version, and a second server in one folder', async () => {
    const dataDir = join(folder, 'data');
    const server = await startPostgres({ ...programs, dataDir });
    try {
      await expect(startPostgres({ ...programs, dataDir })).rejects.toThrow(
        /Postgres did not start: FATAL: .*already exists/,
      );
    } finally {
      await server.stop();
    }
    writeFileSync(join(dataDir, 'PG_VERSION'), '9\n');
    await expect(startPostgres({ ...programs, dataDir })).rejects.toThrow(
      /was made by Postgres 9, but this machine now has/,
    );
  }, 60_000);

  it('leaves no half-made folder when it cannot initialise', async () => {
    const options = { ...programs, postgresBin: join(folder, 'nowhere'), dataDir: join(folder, 'data') };
    await expect(startPostgres(options)).rejects.toThrow('could not set up its data folder');
    expect(existsSync(options.dataDir)).toBe(false);
  });
});

describe('postgresDataDir', () => {
  it('moves away only from folders that the serving user may not enter', () => {
    expect(postgresDataDir(join(folder, 'data'))).toBe(join(folder, 'data'));
    chmodSync(folder, 0o700);
    const moved = postgresDataDir(join(folder, 'data'));
    expect(moved === join(folder, 'data')).toBe(process.getuid?.() !== 0);
    expect(postgresDataDir(moved)).toBe(moved);
  });
});

describe('startNatsServer', () => {
  it('names a port that is in use, and a program that is not there', async () => {
    await withBusyPort(async (port) => {
      await expect(startNatsServer({ ...programs, storeDir: folder, port })).rejects.toThrow(
        `Port ${port}, wanted for`,
      );
    });
    const natsServer = join(folder, 'nowhere');
    await expect(startNatsServer({ natsServer, storeDir: folder })).rejects.toThrow(/did not start: .*ENOENT/);
  });

  it('ends with the process that started it, also when that never stops it', async () => {
    const program = `
      import { startNatsServer, resolveStack } from '@fedcarbon/stack';
      const server = await startNatsServer({ ...resolveStack(), storeDir: ${JSON.stringify(folder)} });
      console.log(server.pid);
      process.exit(3);`;
    const run = spawnSync(
      process.execPath,
      ['--import', join(checkoutRoot, 'tools/ts.mjs'), '--input-type=module', '--eval', program],
      { cwd: join(checkoutRoot, 'libs/stack'), encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
    );
    if (run.status !== 3) throw new Error(run.stderr);
    const pid = Number(run.stdout);
    for (let waited = 0; isAlive(pid) && waited < 5_000; waited += 20)
      await new Promise((done) => setTimeout(done, 20));
    expect(isAlive(pid)).toBe(false);
  }, 30_000);
});
