import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folders of one installation. Everything that a run creates lies here, so that removing the folder removes every trace. */
export class Home {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Creates a folder, readable by this user only, and returns its path. */
  private folder(...parts: readonly string[]): string {
    const path = join(this.root, ...parts);
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
    return join(this.folder(), 'credentials.json');
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

  configFile(plan: string, service: string): string {
    return join(this.folder('plans', plan), `${service}.json`);
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
