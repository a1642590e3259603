import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import { natsServerConfig } from '@fedcarbon/messaging';
import { checkoutRoot } from '@fedcarbon/stack';
import { loadPlan } from '@fedcarbon/service';
import { Credentials } from './credentials.ts';
import { Home } from './home.ts';
import { brokerUsers, DEVELOPMENT_ROLES, prepareDatabase, writeConfigs, writePlan } from './provision.ts';
import { requestStart } from './request-start.ts';
import { readPlanFile, simulate } from './simulation.ts';
import { homeDir } from './start.ts';

/** Port of every service in a network where each has an address of its own, as containers have. */
const SERVICE_PORT = 8080;
const BROKER_PORT = 4222;

/**
 * `provision --plan NAME --database URL --broker URL`: everything that services need when something else runs them, such as Docker Compose: keys,
 * credentials, the resolved plan, holders' records, one configuration file a service, the broker's configuration, the database schema and its users.
 * Can be repeated: keys and passwords stay.
 */
export async function provision(args: readonly string[], say: (line: string) => void): Promise<void> {
  const { plan: name, database, broker } = options(args);
  if (database === undefined || broker === undefined) {
    throw new InvalidInputError('usage: provision --plan NAME --database URL --broker URL');
  }
  const home = new Home(homeDir());
  const simulation = await simulate(readPlanFile(name, checkoutRoot), {
    checkoutDir: checkoutRoot,
    cacheDir: join(home.root, 'cache'),
    note: say,
  });
  const credentials = Credentials.open(home);
  const written = writePlan(simulation, credentials, home);
  await prepareDatabase(database, credentials);
  const services = await writeConfigs(
    written,
    {
      listenHost: '0.0.0.0',
      ownerUrl: database,
      brokerUrl: broker,
      apiPort: SERVICE_PORT,
      nextPort: () => Promise.resolve(SERVICE_PORT),
    },
    credentials,
    home,
  );
  const brokerConfig = natsServerConfig({
    host: '0.0.0.0',
    port: BROKER_PORT,
    storeDir: '/data',
    users: brokerUsers(written.plan, credentials),
    syncAlways: true,
  });
  writeFileSync(home.brokerConfigFile, brokerConfig, { mode: 0o600 });
  say(
    `${written.plan.name}: plan ${written.hash.slice(0, 16)}, ${String(services.length)} services provisioned in ${home.root}`,
  );
}

/** `begin --plan NAME --broker URL`: the operator opens the first round. */
export async function begin(args: readonly string[], say: (line: string) => void): Promise<void> {
  const { plan: name, broker } = options(args);
  if (broker === undefined) throw new InvalidInputError('usage: begin --plan NAME --broker URL');
  const home = Home.existing(homeDir());
  const { planHash } = loadPlan(home.planFile(name));
  await requestStart(broker, planHash, Credentials.open(home));
  say(`${name} has begun`);
}

/** `keys`: the API keys of this installation, one role a line. */
export function keys(_args: readonly string[], say: (line: string) => void): void {
  const credentials = Credentials.open(Home.existing(homeDir()));
  for (const role of DEVELOPMENT_ROLES) say(`${role.padEnd(9)} ${credentials.apiKey(role)}`);
}

function options(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        plan: { type: 'string', default: 'ecebd-20' },
        database: { type: 'string' },
        broker: { type: 'string' },
      },
    });
    return values;
  } catch (cause) {
    throw new InvalidInputError(describeError(cause), { cause });
  }
}
