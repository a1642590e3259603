// Jest's global set-up and tear-down for suites that need Postgres and nats-server: one of each per run.
import './ts.mjs';

export default async function setUp() {
  const { startSharedServers } = await import('../libs/testing/src/shared-servers.ts');
  globalThis.stopFedcarbonServers = await startSharedServers();
}
