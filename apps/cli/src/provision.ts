import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BenchmarkApiConfig,
  type BrokerAccess,
  brokerUser,
  type ClientTrainerConfig,
  type FederationPlan,
  type GlobalAggregatorConfig,
  type PrivacyAccountantConfig,
  type RegionalAggregatorConfig,
  type Role,
  type SumHelperConfig,
} from '@fedcarbon/contracts';
import { canonicalBytes, type Json, toBase64Url } from '@fedcarbon/kernel';
import { type BrokerService, type BrokerUser, permissionsFor } from '@fedcarbon/messaging';
import { type GroupRole, migrate, provisionLogin } from '@fedcarbon/persistence';
import { type Enrolment, planHash, resolvePlan } from '@fedcarbon/plan';
import { sha256 } from '@fedcarbon/service';
import { writeHolderFile } from '@fedcarbon/stock';
import type { Credentials } from './credentials.ts';
import type { Home } from './home.ts';
import type { Simulation } from './simulation.ts';

/** Regions served by one regional-aggregator process, and holders served by one client-trainer process, in a simulation. */
const REGIONS_PER_PROCESS = 2;
const HOLDERS_PER_PROCESS = 5;

/** A service process: which app, its name, its configuration file, and where its health pages are. */
export interface ServiceProcess {
  readonly name: string;
  readonly app: string;
  readonly configFile: string;
  readonly port: number;
}

/** Roles that get an API key on this machine; a holder's key names its holder and is made by an operator. */
export const DEVELOPMENT_ROLES = ['analyst', 'auditor', 'operator'] as const satisfies readonly Role[];

const fullName = { global: 'global-aggregator', accountant: 'privacy-accountant', api: 'benchmark-api' } as const;
const HELPER = 'sum-helper';

/** Whether the plan's secure sum has a second server. */
const hasHelper = ({ privacy }: FederationPlan): boolean => privacy.secureSum?.protocol === 'two-servers';

/** Who takes part in a simulation; keys are made for everybody on this machine. */
export function enrol(simulation: Simulation, credentials: Credentials): Enrolment {
  const publicKey = (name: string) => toBase64Url(credentials.signer(name).publicKey);
  return {
    simulation: true,
    data: simulation.stock.data,
    keys: { global: publicKey('global'), accountant: publicKey('accountant'), checkpoint: publicKey('checkpoint') },
    operatorKey: publicKey('operator'),
    helper:
      simulation.file.secureSum?.protocol === 'two-servers' ? credentials.helper(simulation.file.name) : undefined,
    regions: simulation.file.regions.map(({ name }) => ({
      name,
      publicKey: publicKey(`region-${name}`),
      members: simulation.holders
        .filter(({ region }) => region === name)
        .map(({ id }) => ({ holder: id, dataset: simulation.file.stock.source, publicKey: publicKey(`holder-${id}`) })),
    })),
  };
}

/** Resolves the plan and writes it, and every holder's records, where their processes read them. */
export function writePlan(
  simulation: Simulation,
  credentials: Credentials,
  home: Home,
): { plan: FederationPlan; hash: string; planFile: string } {
  const plan = resolvePlan(simulation.file, enrol(simulation, credentials));
  const planFile = home.planFile(plan.name);
  writeFileSync(planFile, canonicalBytes(plan as Json));
  const { source } = simulation.file.stock;
  for (const holder of simulation.holders) {
    const dir = home.dataDir(holder.id, source);
    writeFileSync(join(dir, 'train.csv'), writeHolderFile(source, holder.train), { mode: 0o600 });
    writeFileSync(join(dir, 'test.csv'), writeHolderFile(source, holder.test), { mode: 0o600 });
  }
  return { plan, hash: planHash(plan, sha256), planFile };
}

/** Broker users of a plan, each with rights on its own subjects only. */
export function brokerUsers(plan: FederationPlan, credentials: Credentials): BrokerUser[] {
  const withPassword = (user: string, rights: Omit<BrokerUser, 'user' | 'password'>): BrokerUser => ({
    user,
    password: credentials.brokerPassword(user),
    ...rights,
  });
  const services: BrokerService[] = [...Object.values(fullName), 'operator'];
  if (hasHelper(plan)) services.push(HELPER);
  return [
    ...services.map((service) => withPassword(brokerUser.service(service), permissionsFor.service(service))),
    ...plan.regions.flatMap(({ name, members }) => [
      withPassword(
        brokerUser.region(name),
        permissionsFor.region(
          name,
          members.map(({ holder }) => holder),
        ),
      ),
      ...members.map(({ holder }) => withPassword(brokerUser.holder(holder), permissionsFor.holder(holder, name))),
    ]),
  ];
}

const DATABASE_USERS = {
  global: ['fedcarbon_global', 'fc_global'],
  accountant: ['fedcarbon_accountant', 'fc_accountant'],
  region: ['fedcarbon_region', 'fc_region'],
  api: ['fedcarbon_api', 'fc_api'],
} as const satisfies Record<string, readonly [string, GroupRole]>;
type DatabaseUser = keyof typeof DATABASE_USERS;

/** Brings the database up to date and gives every service a login of its own. */
export async function prepareDatabase(ownerUrl: string, credentials: Credentials): Promise<void> {
  await migrate(ownerUrl);
  for (const [user, group] of Object.values(DATABASE_USERS)) {
    await provisionLogin(ownerUrl, user, credentials.databasePassword(user), group);
  }
}

function databaseUrl(ownerUrl: string, name: DatabaseUser, credentials: Credentials): string {
  const url = new URL(ownerUrl);
  const [user] = DATABASE_USERS[name];
  url.username = user;
  url.password = credentials.databasePassword(user);
  return url.href;
}

export interface Addresses {
  /** Address that the services' HTTP servers listen on. */
  readonly listenHost: string;
  readonly ownerUrl: string;
  readonly brokerUrl: string;
  readonly apiPort: number;
  /** A free port for each further process's health pages. */
  nextPort(): Promise<number>;
}

/** The broker access of a user: of its own on a broker that we configured, else what the given address carries. */
export function brokerAccess(brokerUrl: string, user: string, credentials: Credentials): BrokerAccess {
  const url = new URL(brokerUrl);
  const [given, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = '';
  url.password = '';
  const servers = [url.href.replace(/\/$/, '')];
  return given === ''
    ? { servers, user, password: credentials.brokerPassword(user) }
    : { servers, user: given, password };
}

/** Writes a configuration file for each process of the plan and returns the processes in the order in which they are best started. */
export async function writeConfigs(
  { plan, hash, planFile }: { readonly plan: FederationPlan; readonly hash: string; readonly planFile: string },
  addresses: Addresses,
  credentials: Credentials,
  home: Home,
): Promise<ServiceProcess[]> {
  const { ownerUrl, brokerUrl } = addresses;
  const access = (user: string) => brokerAccess(brokerUrl, user, credentials);
  const base = (port: number) => ({ http: { host: addresses.listenHost, port }, logLevel: 'info' as const });
  const withPlan = (port: number) => ({ ...base(port), planFile });
  const processes: ServiceProcess[] = [];
  const write = (app: string, name: string, port: number, config: object) => {
    const configFile = home.configFile(plan.name, name);
    writeFileSync(configFile, JSON.stringify(config, null, 2), { mode: 0o600 });
    processes.push({ name, app, configFile, port });
  };

  const globalPort = await addresses.nextPort();
  write(fullName.global, fullName.global, globalPort, {
    ...withPlan(globalPort),
    databaseUrl: databaseUrl(ownerUrl, 'global', credentials),
    broker: access(brokerUser.service(fullName.global)),
    keyFile: credentials.keyFile('global'),
    checkpointKeyFile: credentials.keyFile('checkpoint'),
  } satisfies GlobalAggregatorConfig);

  const accountantPort = await addresses.nextPort();
  write(fullName.accountant, fullName.accountant, accountantPort, {
    ...base(accountantPort),
    databaseUrl: databaseUrl(ownerUrl, 'accountant', credentials),
    broker: access(brokerUser.service(fullName.accountant)),
    keyFile: credentials.keyFile('accountant'),
    reservationTtlMs: 60_000,
  } satisfies PrivacyAccountantConfig);

  if (hasHelper(plan)) {
    const port = await addresses.nextPort();
    write(HELPER, HELPER, port, {
      ...withPlan(port),
      broker: access(brokerUser.service(HELPER)),
      keyFile: credentials.keyFile('helper'),
      sealingKeyFile: credentials.sealingKeyFile(plan.name),
      factsDir: home.helperFactsDir,
    } satisfies SumHelperConfig);
  }

  write(fullName.api, fullName.api, addresses.apiPort, {
    ...withPlan(addresses.apiPort),
    databaseUrl: databaseUrl(ownerUrl, 'api', credentials),
    broker: access(brokerUser.service(fullName.api)),
    apiKeys: DEVELOPMENT_ROLES.map((role) => ({
      name: `development ${role}`,
      role,
      sha256: createHash('sha256').update(credentials.apiKey(role)).digest('hex'),
    })),
  } satisfies BenchmarkApiConfig);

  for (const [k, regions] of chunks(plan.regions, REGIONS_PER_PROCESS).entries()) {
    const port = await addresses.nextPort();
    write('regional-aggregator', `regional-aggregator-${String(k + 1)}`, port, {
      ...withPlan(port),
      databaseUrl: databaseUrl(ownerUrl, 'region', credentials),
      regions: regions.map(({ name }) => ({
        name,
        broker: access(brokerUser.region(name)),
        keyFile: credentials.keyFile(`region-${name}`),
      })),
    } satisfies RegionalAggregatorConfig);
  }

  const members = plan.regions.flatMap((region) => region.members);
  for (const [k, part] of chunks(members, HOLDERS_PER_PROCESS).entries()) {
    const port = await addresses.nextPort();
    write('client-trainer', `client-trainer-${String(k + 1)}`, port, {
      ...withPlan(port),
      holders: part.map(({ holder, dataset }) => ({
        holder,
        broker: access(brokerUser.holder(holder)),
        keyFile: credentials.keyFile(`holder-${holder}`),
        dataDir: home.dataDir(holder, dataset),
        journalDir: home.journalDir(holder, dataset),
        cap: { epsilon: plan.privacy.epsilon, delta: plan.privacy.delta },
        acceptedPlanHashes: [hash],
      })),
    } satisfies ClientTrainerConfig);
  }
  return processes;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, k) => items.slice(k * size, (k + 1) * size));
}
