// The same servers in containers (FEDCARBON_TEST_STACK=containers), for machines with a container engine.
import { freePort } from '@fedcarbon/stack';
import type { TestNats } from './nats.ts';
import type { TestPostgres } from './postgres.ts';

const POSTGRES_IMAGE = 'postgres:17-alpine';
const NATS_IMAGE = 'nats:2.10-alpine';

interface ContainerSpec {
  readonly image: string;
  /** Port inside the container. */
  readonly port: number;
  readonly environment: Record<string, string>;
  readonly command: string[];
  readonly files: { content: string; target: string }[];
  /** Log line that says that connections are accepted, and how often it comes before they are. */
  readonly ready: readonly [RegExp, times: number];
}

/** Starts a container on a fixed port, so that its address survives a restart. */
async function startContainer(spec: ContainerSpec) {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const host = await freePort();
  const container = await new GenericContainer(spec.image)
    .withExposedPorts({ container: spec.port, host })
    .withEnvironment(spec.environment)
    .withCommand(spec.command)
    .withCopyContentToContainer(spec.files)
    .withWaitStrategy(Wait.forLogMessage(...spec.ready))
    .withStartupTimeout(60_000)
    .start();
  const engine = (await getContainerRuntimeClient()).container;
  return {
    address: `${container.getHost()}:${host}`,
    restart: () => container.restart({ timeout: 10_000 }),
    kill9: async () => {
      await engine.getById(container.getId()).kill();
    },
    stop: async () => {
      await container.stop();
    },
  };
}

export async function startPostgresContainer(
  settings: Record<string, string>,
): Promise<Omit<TestPostgres, 'createDatabase'>> {
  const { address, ...control } = await startContainer({
    image: POSTGRES_IMAGE,
    port: 5432,
    environment: { POSTGRES_HOST_AUTH_METHOD: 'trust' },
    command: ['postgres', ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    files: [],
    // Once while the image initialises the cluster, once for good.
    ready: [/database system is ready to accept connections/, 2],
  });
  return { url: `postgresql://postgres@${address}/postgres`, ...control };
}

export async function startNatsContainer(config = ''): Promise<TestNats> {
  const { address, ...control } = await startContainer({
    image: NATS_IMAGE,
    port: 4222,
    environment: {},
    command: ['nats-server', '--config', '/etc/fedcarbon.conf', '--jetstream', '--store_dir', '/data'],
    files: [{ content: config, target: '/etc/fedcarbon.conf' }],
    ready: [/Server is ready/, 1],
  });
  return { url: `nats://${address}`, ...control };
}
