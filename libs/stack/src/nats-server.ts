import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { assertPortFree, freePort } from './ports.ts';
import { type RunningServer, startServer } from './server-process.ts';

/** How to start one nats-server with JetStream. */
export interface NatsServerOptions {
  /** Path of the program (`resolveStack().natsServer`). */
  readonly natsServer: string;
  /** Folder for JetStream's data and, with `configText`, the configuration; created when missing. */
  readonly storeDir: string;
  /** Configuration in nats-server's own language: accounts, permissions, limits. Port, address and store are set apart. */
  readonly configText?: string;
  /** A configuration file instead. */
  readonly configFile?: string;
  /** TCP port on 127.0.0.1; a free one when left out. */
  readonly port?: number;
  readonly logFile?: string;
  /** Told the process id at once, long before connections are accepted. */
  readonly onSpawn?: (pid: number) => void;
  readonly startTimeoutMs?: number;
}

/** A running nats-server; `url` carries no credentials. */
export interface NatsServer extends RunningServer {
  readonly port: number;
}

/**
 * Starts nats-server on 127.0.0.1. Throws StackError, with the server's own words, when the port is taken, the
 * configuration has a mistake or the store cannot be used.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const storeDir = resolve(options.storeDir);
  mkdirSync(storeDir, { recursive: true });
  let configFile = options.configFile;
  if (options.configText !== undefined) {
    configFile = join(storeDir, 'nats-server.conf');
    writeFileSync(configFile, options.configText, { mode: 0o600 });
  }
  if (options.port !== undefined) await assertPortFree(options.port, 'nats-server');
  const port = options.port ?? (await freePort());
  const server = await startServer({
    name: 'nats-server',
    file: options.natsServer,
    args: [
      ...(configFile === undefined ? [] : ['--config', configFile]),
      ...['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', storeDir],
    ],
    url: `nats://127.0.0.1:${port}`,
    ready: /Server is ready/,
    complaint: /\[(FTL|ERR)\]|^nats-server: /,
    startTimeoutMs: options.startTimeoutMs ?? 15_000,
    stopSignals: [['SIGTERM', 10_000]],
    abandonSignal: 'SIGTERM',
    logFile: options.logFile,
    onSpawn: options.onSpawn,
  });
  return { ...server, port };
}
