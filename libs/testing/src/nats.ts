import { join } from 'node:path';
import { type NatsServer, freePort, resolveStack, startNatsServer } from '@fedcarbon/stack';
import { startNatsContainer } from './containers.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A nats-server with JetStream on 127.0.0.1 for tests. */
export interface TestNats {
  /** Without credentials. */
  readonly url: string;
  /** Ends the server, cleanly unless it is dead already, and starts it again with the same url and store. */
  restart(): Promise<void>;
  /** Ends the server without warning, as a crash does. `restart` brings it back. */
  kill9(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a nats-server of its own, for tests that stop it or need accounts and permissions (`config`, in nats-server's
 * language); others share one: `sharedNatsUrl`. With FEDCARBON_TEST_STACK=containers it runs in a container.
 */
export async function startNats({ config }: { config?: string } = {}): Promise<TestNats> {
  if (process.env['FEDCARBON_TEST_STACK'] === 'containers') return startNatsContainer(config);

  const folder = temporaryFolder('nats');
  const port = await freePort();
  const { natsServer } = resolveStack();
  const start = () =>
    startNatsServer({
      natsServer,
      port,
      storeDir: join(folder.path, 'store'),
      ...(config === undefined ? {} : { configText: config }),
    });
  let server: NatsServer = await start().catch((error: unknown) => {
    folder.remove();
    throw error;
  });
  return {
    url: server.url,
    async restart() {
      await server.stop();
      server = await start();
    },
    async kill9() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async stop() {
      await server.stop();
      folder.remove();
    },
  };
}

/** The nats-server, without accounts, that all suites of a jest run share: use stream and subject names of your own. */
export function sharedNatsUrl(): string {
  const url = process.env['FEDCARBON_TEST_NATS_URL'];
  if (url === undefined)
    throw new Error('there is no shared nats-server: name the file *.int.spec.ts or *.e2e.spec.ts');
  return url;
}
