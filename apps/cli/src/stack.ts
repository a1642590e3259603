import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FedcarbonError, InvalidInputError } from '@fedcarbon/kernel';
import { type BrokerUser, natsServerConfig } from '@fedcarbon/messaging';
import { freePort, postgresDataDir, resolveStack, startNatsServer, startPostgres } from '@fedcarbon/stack';
import type { Credentials } from './credentials.ts';
import type { Home } from './home.ts';
import type { Supervisor } from './supervisor.ts';

/** Where the database and the broker are. `ownerUrl` is a superuser's. */
export interface Stack {
  readonly ownerUrl: string;
  readonly brokerUrl: string;
}

/**
 * The broker and the database: the given ones (DATABASE_URL, NATS_URL), else embedded ones kept running by the supervisor.
 * Throws StackError, one sentence, when one cannot start.
 */
export async function startStack(
  home: Home,
  credentials: Credentials,
  supervisor: Supervisor,
  users: readonly BrokerUser[],
): Promise<Stack> {
  const [ownerUrl, brokerUrl] = await Promise.all([
    process.env['DATABASE_URL'] ?? keepPostgres(home, credentials, supervisor),
    process.env['NATS_URL'] ?? keepBroker(home, supervisor, users),
  ]);
  return { ownerUrl, brokerUrl };
}

/** Throws FedcarbonError, one sentence, when the database of an installation is there without its credentials, or the other way round. */
export function assertComplete(home: Home): void {
  if (process.env['DATABASE_URL'] !== undefined) return;
  const dataDir = postgresDataDir(home.postgresDir);
  const [hasData, hasCredentials] = [existsSync(join(dataDir, 'PG_VERSION')), existsSync(home.credentialsFile)];
  if (hasData && !hasCredentials) {
    throw new FedcarbonError(
      'incomplete_home',
      `the database in ${dataDir} has lost its password, which ${home.credentialsFile} should hold: put that file back, or start anew with --fresh`,
    );
  }
  if (!hasData && hasCredentials && home.hasEarlierRuns) {
    throw new FedcarbonError(
      'incomplete_home',
      `${home.root} holds the keys and journals of earlier runs, but their database is not in ${dataDir}: put it back, or start anew with --fresh`,
    );
  }
}

async function keepPostgres(home: Home, credentials: Credentials, supervisor: Supervisor): Promise<string> {
  const { postgresBin } = resolveStack();
  const port = await freePort();
  let url = '';
  await supervisor.keep({
    name: 'postgres',
    kind: 'server',
    async start(onSpawn) {
      const server = await startPostgres({
        postgresBin,
        dataDir: home.postgresDir,
        port,
        password: credentials.postgresPassword,
        logFile: `${home.logsDir}/postgres.log`,
        onSpawn,
      });
      url = server.url;
      return server;
    },
  });
  return url;
}

async function keepBroker(home: Home, supervisor: Supervisor, users: readonly BrokerUser[]): Promise<string> {
  const { natsServer } = resolveStack();
  const port = await freePort();
  const storeDir = home.brokerDir;
  const configText = natsServerConfig({ port, users, syncAlways: true });
  let url = '';
  await supervisor.keep({
    name: 'nats-server',
    kind: 'server',
    async start(onSpawn) {
      const server = await startNatsServer({
        natsServer,
        storeDir,
        configText,
        port,
        logFile: `${home.logsDir}/nats-server.log`,
        onSpawn,
      });
      url = server.url;
      return server;
    },
  });
  return url;
}

/** `--fresh` clears what this installation owns; a database or broker that was given belongs to somebody else. */
export function refuseFreshOnGiven(): void {
  for (const name of ['DATABASE_URL', 'NATS_URL']) {
    if (process.env[name] !== undefined) {
      throw new InvalidInputError(`--fresh does not clear what ${name} points to: clear it yourself, or unset ${name}`);
    }
  }
}
