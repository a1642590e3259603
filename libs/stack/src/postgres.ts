import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { StackError } from './errors.ts';
import { assertPortFree, freePort } from './ports.ts';
import { type RunningServer, startServer } from './server-process.ts';

const run = promisify(execFile);

/** How to start one Postgres cluster. */
export interface PostgresOptions {
  /** Folder with `postgres` and `initdb` (`resolveStack().postgresBin`). */
  readonly postgresBin: string;
  /** Data folder; created and initialised when it is empty. See `postgresDataDir` for root. */
  readonly dataDir: string;
  /** TCP port on 127.0.0.1; a free one when left out. */
  readonly port?: number;
  /** Password of the superuser `postgres`; takes effect when the folder is initialised. Without one, anyone on this machine may connect. */
  readonly password?: string;
  /** Server settings, as `-c name=value`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly logFile?: string;
  /** Told the process id at once, long before connections are accepted. */
  readonly onSpawn?: (pid: number) => void;
  readonly startTimeoutMs?: number;
}

/** A running Postgres; `url` is the superuser's, for the database `postgres`. */
export interface PostgresServer extends RunningServer {
  readonly port: number;
  /** The folder in use, which differs from the one asked for when that is out of reach (`postgresDataDir`). */
  readonly dataDir: string;
}

/** Postgres refuses to run as root, so root starts it as "nobody". */
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
const asServed = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

/**
 * The folder that Postgres will really use for `wanted`. It is `wanted`, unless this process is root and `wanted` lies
 * under a folder that other users may not enter, such as root's home: then a folder under /var/lib that belongs to it alone.
 */
export function postgresDataDir(wanted: string): string {
  const path = resolve(wanted);
  if (!isRoot) return path;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) {
      return join('/var/lib/fedcarbon', `postgres-${createHash('sha256').update(path).digest('hex').slice(0, 12)}`);
    }
    if (folder === dirname(folder)) return path;
  }
}

/**
 * Starts Postgres on 127.0.0.1, without a Unix socket. Throws StackError, with Postgres' own words, when the port is
 * taken, the folder is of another major version or in use, or the disk is full.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const dataDir = postgresDataDir(options.dataDir);
  if (!existsSync(join(dataDir, 'PG_VERSION'))) await initialise(dataDir, options);
  await assertSameMajor(dataDir, options.postgresBin);
  if (options.port !== undefined) await assertPortFree(options.port, 'Postgres');
  const port = options.port ?? (await freePort());
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    lc_messages: 'C',
    ...options.settings,
  };
  const login = options.password === undefined ? 'postgres' : `postgres:${encodeURIComponent(options.password)}`;
  const server = await startServer({
    name: 'Postgres',
    file: join(options.postgresBin, 'postgres'),
    args: [
      '-D',
      dataDir,
      '-p',
      String(port),
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    url: `postgresql://${login}@127.0.0.1:${port}/postgres`,
    options: { cwd: dataDir, env: { ...process.env, LC_ALL: 'C' }, ...asServed },
    ready: /database system is ready to accept connections/,
    complaint: /\b(FATAL|PANIC|HINT): /,
    startTimeoutMs: options.startTimeoutMs ?? 30_000,
    // Fast, then immediate shutdown.
    stopSignals: [
      ['SIGINT', 15_000],
      ['SIGQUIT', 5_000],
    ],
    abandonSignal: 'SIGQUIT',
    logFile: options.logFile,
    onSpawn: options.onSpawn,
  });
  return { ...server, port, dataDir };
}

/** initdb in place; a failure leaves no half-made folder behind. */
async function initialise(dataDir: string, options: PostgresOptions): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  if (isRoot) chownSync(dataDir, NOBODY, NOBODY);
  chmodSync(dataDir, 0o700);
  const passwordFile = join(tmpdir(), `fedcarbon-${randomUUID()}`);
  try {
    const auth =
      options.password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    if (options.password !== undefined) {
      writeFileSync(passwordFile, options.password, { mode: 0o600 });
      if (isRoot) chownSync(passwordFile, NOBODY, NOBODY);
    }
    // `--no-sync` only skips flushing the empty cluster; what is written later is as durable as the settings say.
    const args = [
      '-D',
      dataDir,
      '-U',
      'postgres',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
      ...auth,
    ];
    await run(join(options.postgresBin, 'initdb'), args, {
      cwd: '/',
      env: { ...process.env, LC_ALL: 'C' },
      ...asServed,
    });
  } catch (cause) {
    rmSync(dataDir, { recursive: true, force: true });
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(cause);
    throw new StackError(`Postgres could not set up its data folder ${dataDir}: ${said}`, { cause });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

async function assertSameMajor(dataDir: string, postgresBin: string): Promise<void> {
  try {
    accessSync(dataDir, constants.R_OK);
  } catch (cause) {
    throw new StackError(
      `The data folder ${dataDir} belongs to another user: run as that user or choose another folder.`,
      { cause },
    );
  }
  const made = readFileSync(join(dataDir, 'PG_VERSION'), 'utf8').trim();
  const { stdout } = await run(join(postgresBin, 'postgres'), ['--version']);
  const have = /(\d+)/.exec(stdout)?.[1];
  if (made !== have) {
    throw new StackError(
      `The data folder ${dataDir} was made by Postgres ${made}, but this machine now has ${have}: put version ${made} on PATH, or move the folder away to start anew.`,
    );
  }
}
