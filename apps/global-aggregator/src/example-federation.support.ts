import {
  type BrokerAccess,
  brokerUser,
  FederationPlan,
  type GlobalAggregatorConfig,
  type PlanMember,
  type RegionalAggregatorConfig,
} from '@fedcarbon/contracts';
import { canonicalBytes, type Json, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import { type BrokerUser, natsServerConfig, permissionsFor } from '@fedcarbon/messaging';
import { type GroupRole, migrate, provisionLogin } from '@fedcarbon/persistence';
import { generateKeyPem, sha256, signerFromPem } from '@fedcarbon/service';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ExampleOptions {
  /** Regions by name, with their numbers of members. Default two regions of two. */
  readonly regions?: Readonly<Record<string, number>>;
  readonly rounds?: number;
  readonly spareRounds?: number;
  readonly quorum?: number;
  readonly regionalDeadlineMs?: number;
  readonly globalDeadlineMs?: number;
  readonly unmaskDeadlineMs?: number;
  /** Trust `distributed`: updates are masked, and noise is for this many survivors. */
  readonly minSurvivors?: number;
}

const PASSWORD = 'example-password';
const BINS_PER_FEATURE = [4, 4];

/** A federation with keys for everybody in it: its plan, its broker's users, its databases' logins and its services' configuration files. For tests. */
export class ExampleFederation {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly #pems = new Map<string, string>();
  readonly #signers = new Map<string, Signer>();
  /** Roles belong to the whole database server. */
  readonly #suffix = randomBytes(5).toString('hex');

  constructor(options: ExampleOptions = {}) {
    const { regions = { north: 2, south: 2 }, minSurvivors } = options;
    const members = Object.values(regions).reduce((sum, count) => sum + count, 0);
    const publicKey = (name: string) => toBase64Url(this.signer(name).publicKey);
    const event = (sensitivitySquared: number) => ({
      kind: 'discreteGaussian',
      sigmaSquared: 4096,
      sensitivitySquared,
      steps: 1,
    });
    this.plan = FederationPlan.parse({
      version: 1,
      name: 'example',
      simulation: true,
      keys: { global: publicKey('global'), accountant: publicKey('accountant'), checkpoint: publicKey('checkpoint') },
      operatorKey: publicKey('operator'),
      privacy: {
        epsilon: 1,
        delta: 1e-5,
        trust: minSurvivors === undefined ? 'local' : 'distributed',
        adjacency: 'add-or-remove-one-record',
        budgetShares: { model: 0.8, benchmarks: 0.2 },
        secureSum:
          minSurvivors === undefined
            ? null
            : {
                ...{ protocol: 'double-masking', minSurvivors, maxColluding: 0, noiseDistanceDelta: 0 },
                shareSigmaSquared: { model: 4096 / minSurvivors, benchmarks: 4096 / minSurvivors },
              },
      },
      stock: {
        ...{ featureSchema: 'example-v1', features: ['example'], target: 'a1a3', unit: 'kgCO2e/m2' },
        ...{ use: null, data: { kind: 'private' } },
      },
      regions: Object.entries(regions).map(([name, count]) => ({
        name,
        publicKey: publicKey(`region-${name}`),
        members: Array.from({ length: count }, (_, k) => {
          const holder = `${name}-${String(k + 1).padStart(2, '0')}`;
          return { holder, dataset: `${holder}-data`, publicKey: publicKey(`holder-${holder}`), nominalRecords: 100 };
        }),
      })),
      recipe: {
        kind: 'gam-sum',
        binsPerFeature: BINS_PER_FEATURE,
        yRange: [0, 1000],
        residualScale: 0.03,
        momentum: 0.6,
        rounds: options.rounds ?? 3,
        spareRounds: options.spareRounds ?? 1,
        stepSize: 0.1,
        nominalRecords: 100 * members,
        bits: 16,
        event: event(BINS_PER_FEATURE.length),
      },
      benchmarks: {
        layout: { edges: [0, 250, 500, 1000], margins: [{ name: 'all', groups: ['all'] }] },
        nominalRecords: 100 * members,
        bits: 16,
        event: event(1),
        confidence: 0.9,
        maxRelativeHalfWidth: 0.25,
      },
      round: {
        quorum: options.quorum ?? members,
        regionalDeadlineMs: options.regionalDeadlineMs ?? 8000,
        globalDeadlineMs: options.globalDeadlineMs ?? 12_000,
        unmaskDeadlineMs: options.unmaskDeadlineMs ?? 4000,
        clientsPerRegion: null,
      },
    });
    this.planHash = toHex(sha256(canonicalBytes(this.plan as Json)));
  }

  /** Of `global`, `accountant`, `checkpoint`, `operator`, `region-<name>`, `holder-<name>`, or any stranger. */
  signer(name: string): Signer {
    const signer = this.#signers.get(name) ?? signerFromPem(this.#pem(name));
    this.#signers.set(name, signer);
    return signer;
  }

  #pem(name: string): string {
    const pem = this.#pems.get(name) ?? generateKeyPem();
    this.#pems.set(name, pem);
    return pem;
  }

  get members(): readonly (PlanMember & { readonly region: string })[] {
    return this.plan.regions.flatMap(({ name, members }) => members.map((member) => ({ ...member, region: name })));
  }

  /** Configuration of a nats-server where everybody has its own rights only. */
  brokerConfig(): string {
    const user = (name: string, rights: Omit<BrokerUser, 'user' | 'password'>): BrokerUser => ({
      user: name,
      password: PASSWORD,
      ...rights,
    });
    return natsServerConfig({
      syncAlways: true,
      users: [
        user(brokerUser.service('global-aggregator'), permissionsFor.service('global-aggregator')),
        user(brokerUser.service('benchmark-api'), permissionsFor.service('benchmark-api')),
        user(brokerUser.service('operator'), permissionsFor.service('operator')),
        ...this.plan.regions.map(({ name, members }) =>
          user(
            brokerUser.region(name),
            permissionsFor.region(
              name,
              members.map(({ holder }) => holder),
            ),
          ),
        ),
        ...this.members.map(({ holder, region }) =>
          user(brokerUser.holder(holder), permissionsFor.holder(holder, region)),
        ),
      ],
    });
  }

  access(brokerUrl: string, user: string): BrokerAccess {
    return { servers: [brokerUrl], user, password: PASSWORD };
  }

  /** Migrates an empty database and makes the services' logins. */
  async prepareDatabase(ownerUrl: string): Promise<void> {
    await migrate(ownerUrl);
    for (const role of ['fc_global', 'fc_accountant', 'fc_region'] as const) {
      await provisionLogin(ownerUrl, this.#login(role), PASSWORD, role);
    }
  }

  databaseUrl(ownerUrl: string, role: GroupRole): string {
    const url = new URL(ownerUrl);
    [url.username, url.password] = [this.#login(role), PASSWORD];
    return url.href;
  }

  #login(role: GroupRole): string {
    return `${role}_${this.#suffix}`;
  }

  /** Writes plan, keys and the configuration of global-aggregator into `folder`; returns the configuration's path. */
  writeGlobalConfig(folder: string, ownerUrl: string, brokerUrl: string): string {
    return this.#writeConfig(folder, 'global-aggregator', {
      ...this.#base(folder),
      databaseUrl: this.databaseUrl(ownerUrl, 'fc_global'),
      broker: this.access(brokerUrl, brokerUser.service('global-aggregator')),
      keyFile: this.#writeKey(folder, 'global'),
      checkpointKeyFile: this.#writeKey(folder, 'checkpoint'),
    } satisfies GlobalAggregatorConfig);
  }

  /** The same for a regional-aggregator that serves `regions`. */
  writeRegionalConfig(folder: string, ownerUrl: string, brokerUrl: string, regions: readonly string[]): string {
    return this.#writeConfig(folder, `regional-aggregator-${regions.join('-')}`, {
      ...this.#base(folder),
      databaseUrl: this.databaseUrl(ownerUrl, 'fc_region'),
      regions: regions.map((name) => ({
        name,
        broker: this.access(brokerUrl, brokerUser.region(name)),
        keyFile: this.#writeKey(folder, `region-${name}`),
      })),
    } satisfies RegionalAggregatorConfig);
  }

  #base(folder: string) {
    const planFile = join(folder, 'plan.json');
    writeFileSync(planFile, canonicalBytes(this.plan as Json));
    return { http: { host: '127.0.0.1', port: 0 }, logLevel: 'info' as const, planFile };
  }

  #writeKey(folder: string, name: string): string {
    const file = join(folder, `${name}.pem`);
    writeFileSync(file, this.#pem(name), { mode: 0o600 });
    return file;
  }

  #writeConfig(folder: string, name: string, config: object): string {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }
}
