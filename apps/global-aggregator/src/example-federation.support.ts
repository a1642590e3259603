import {
  type BrokerAccess,
  brokerUser,
  type FederationPlan,
  type GlobalAggregatorConfig,
  type PlanMember,
  type RegionalAggregatorConfig,
  type SecureSumPlan,
  type SumHelperConfig,
} from '@fedcarbon/contracts';
import { examplePlan, exampleSecureSum } from '@fedcarbon/contracts/testing';
import { canonicalBytes, type Json, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import { type BrokerUser, natsServerConfig, permissionsFor } from '@fedcarbon/messaging';
import { type GroupRole, migrate, provisionLogin } from '@fedcarbon/persistence';
import { generateKeyPem, type SealingKey, sealingKeyFromPem, sha256, signerFromPem } from '@fedcarbon/service';
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
  /** How they are masked; by double masking when left out. */
  readonly protocol?: SecureSumPlan['protocol'];
}

const PASSWORD = 'example-password';

/** The options that were given. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** A federation with keys for everybody in it: its plan, its broker's users, its databases' logins and its services' configuration files. For tests. */
export class ExampleFederation {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly #pems = new Map<string, string>();
  readonly #signers = new Map<string, Signer>();
  readonly #sealingPem = generateKeyPem('X25519');
  /** Roles belong to the whole database server. */
  readonly #suffix = randomBytes(5).toString('hex');

  constructor(options: ExampleOptions = {}) {
    const { regions = { north: 2, south: 2 }, minSurvivors } = options;
    const members = Object.values(regions).reduce((sum, count) => sum + count, 0);
    const publicKey = (name: string) => toBase64Url(this.signer(name).publicKey);
    const share = 4096 / (minSurvivors ?? 1);
    const { rounds, spareRounds, regionalDeadlineMs, globalDeadlineMs, unmaskDeadlineMs } = options;
    this.plan = examplePlan({
      keys: { global: publicKey('global'), accountant: publicKey('accountant'), checkpoint: publicKey('checkpoint') },
      operatorKey: publicKey('operator'),
      privacy: {
        secureSum: minSurvivors === undefined ? null : this.#secureSum(minSurvivors, share, options.protocol),
      },
      regions: Object.entries(regions).map(([name, count]) => ({
        name,
        publicKey: publicKey(`region-${name}`),
        members: Array.from({ length: count }, (_, k) => {
          const holder = `${name}-${String(k + 1).padStart(2, '0')}`;
          return { holder, dataset: `${holder}-data`, publicKey: publicKey(`holder-${holder}`), nominalRecords: 100 };
        }),
      })),
      recipe: given({ rounds, spareRounds }),
      benchmarks: { layout: { margins: [{ name: 'all', groups: ['all'], histograms: [[0, 250, 500, 1000]] }] } },
      round: {
        quorum: options.quorum ?? members,
        ...given({ regionalDeadlineMs, globalDeadlineMs, unmaskDeadlineMs }),
      },
    });
    this.planHash = toHex(sha256(canonicalBytes(this.plan as Json)));
  }

  #secureSum(
    minSurvivors: number,
    share: number,
    protocol: SecureSumPlan['protocol'] = 'double-masking',
  ): SecureSumPlan {
    const secureSum = exampleSecureSum(minSurvivors, { model: share, benchmarks: share });
    if (protocol === 'double-masking') return secureSum;
    const [publicKey, sealingKey] = [this.signer('helper'), this.sealingKey].map((key) => toBase64Url(key.publicKey));
    return { ...secureSum, protocol, helper: { publicKey: publicKey ?? '', sealingKey: sealingKey ?? '' } };
  }

  /** Of the second server. */
  get sealingKey(): SealingKey {
    return sealingKeyFromPem(this.#sealingPem);
  }

  /** Of `global`, `accountant`, `checkpoint`, `operator`, `helper`, `region-<name>`, `holder-<name>`, or any stranger. */
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
        user(brokerUser.service('sum-helper'), permissionsFor.service('sum-helper')),
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

  /** The same for the second server. */
  writeHelperConfig(folder: string, brokerUrl: string): string {
    return this.#writeConfig(folder, 'sum-helper', {
      ...this.#base(folder),
      broker: this.access(brokerUrl, brokerUser.service('sum-helper')),
      keyFile: this.#writeKey(folder, 'helper'),
      sealingKeyFile: this.#write(folder, 'sealing.pem', this.#sealingPem),
      factsDir: join(folder, 'sum-helper'),
    } satisfies SumHelperConfig);
  }

  #base(folder: string) {
    const planFile = join(folder, 'plan.json');
    writeFileSync(planFile, canonicalBytes(this.plan as Json));
    return { http: { host: '127.0.0.1', port: 0 }, logLevel: 'info' as const, planFile };
  }

  #writeKey(folder: string, name: string): string {
    return this.#write(folder, `${name}.pem`, this.#pem(name));
  }

  #writeConfig(folder: string, name: string, config: object): string {
    return this.#write(folder, `${name}.json`, JSON.stringify(config));
  }

  #write(folder: string, name: string, text: string): string {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }
}
