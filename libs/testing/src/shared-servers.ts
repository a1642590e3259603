import { randomBytes } from 'node:crypto';
import { startNats } from './nats.ts';
import { dropTestDatabases, startPostgres } from './postgres.ts';

/**
 * Starts the servers that all suites of a jest run share, or takes DATABASE_URL and NATS_URL, and tells the suites by
 * FEDCARBON_TEST_DATABASE_URL and FEDCARBON_TEST_NATS_URL. Returns the way to end them.
 */
export async function startSharedServers(): Promise<() => Promise<void>> {
  const given = process.env['DATABASE_URL'];
  process.env['FEDCARBON_TEST_RUN'] = randomBytes(4).toString('hex');
  const postgres = given ? undefined : await startPostgres();
  const nats = process.env['NATS_URL'] ? undefined : await startNats();
  process.env['FEDCARBON_TEST_DATABASE_URL'] = postgres?.url ?? given;
  process.env['FEDCARBON_TEST_NATS_URL'] = nats?.url ?? process.env['NATS_URL'];
  return async () => {
    if (given) await dropTestDatabases(given);
    await Promise.all([postgres?.stop(), nats?.stop()]);
  };
}
