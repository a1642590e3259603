import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FedcarbonError } from '@fedcarbon/kernel';

const CREDENTIALS = 'credentials.json';

/** Folders of one installation. Everything that a run creates lies here, so that removing the folder removes every trace. */
export class Home {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** The home in `root`. Throws FedcarbonError when there is none; creates nothing. */
  static existing(root: string): Home {
    if (!existsSync(join(root, CREDENTIALS))) {
      throw new FedcarbonError(
        'no_installation',
        `no installation here: ${root} holds no ${CREDENTIALS}; \`npm start\` makes one, FEDCARBON_HOME names another folder`,
      );
    }
    return new Home(root);
  }

  /**
   * Creates a folder, readable by this user only, and returns its path. The root itself may be passed through by others, but not listed: Postgres, which
   * does not run as root, has its folder in it.
   */
  private folder(...parts: readonly string[]): string {
    const path = join(this.root, ...parts);
    mkdirSync(this.root, { recursive: true, mode: 0o711 });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  get postgresDir(): string {
    return join(this.root, 'postgres');
  }

  get brokerDir(): string {
    return this.folder('nats');
  }

  /** Configuration of a broker that something else runs. */
  get brokerConfigFile(): string {
    return join(this.folder(), 'nats-server.conf');
  }

  get credentialsFile(): string {
    return join(this.folder(), CREDENTIALS);
  }

  /** Process ids and addresses of a running federation. */
  get runFile(): string {
    return join(this.folder(), 'run.json');
  }

  get keysDir(): string {
    return this.folder('keys');
  }

  get logsDir(): string {
    return this.folder('logs');
  }

  planFile(plan: string): string {
    return join(this.folder('plans', plan), 'plan.json');
  }

  /** Whether services of any plan were configured here, which is done once their database is there. */
  get hasEarlierRuns(): boolean {
    const plans = join(this.root, 'plans');
    return (
      existsSync(plans) && readdirSync(plans).some((plan) => existsSync(join(plans, plan, 'privacy-accountant.json')))
    );
  }

  configFile(plan: string, service: string): string {
    return join(this.folder('plans', plan), `${service}.json`);
  }

  /** What the second server of secure sums has answered. */
  get helperFactsDir(): string {
    return this.folder('sum-helper');
  }

  /** A holder's records. */
  dataDir(holder: string, dataset: string): string {
    return this.folder('holders', holder, dataset, 'data');
  }

  /** A holder's durable journal. */
  journalDir(holder: string, dataset: string): string {
    return this.folder('holders', holder, dataset, 'journal');
  }
}
