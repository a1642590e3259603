import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessIdentity } from '@fedcarbon/service';
import { postgresDataDir } from '@fedcarbon/stack';
import type { SupervisedProcess } from './supervisor.ts';

const FEDERATIONS = join(import.meta.dirname, '../../../federations');
/** What `npm start` and `npm run fedcarbon` run. */
const RUN = join(import.meta.dirname, '../../../tools/run.mjs');

/** What `run.json` tells of a running federation. */
export interface RunFile extends ProcessIdentity {
  readonly apiUrl?: string;
  readonly processes: readonly SupervisedProcess[];
}

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** The built command in a home of its own. In a closed one, below a folder that others may not enter, root's Postgres has its data elsewhere. */
export class Installation {
  /** For a test's own files; the home is made by the command. */
  readonly folder = mkdtempSync(join(tmpdir(), 'fedcarbon-e2e-'));
  readonly home = join(this.folder, 'home');
  private readonly running = new Set<ChildProcess>();
  private plans = 0;

  /** Path of the plan ecebd-20 under the given trust (`distributed` by double masking, or with two servers), and whatever `change` makes of its text. */
  planFile(trust: 'local' | 'distributed' | 'two-servers', change: (text: string) => string = (text) => text): string {
    const file = join(this.folder, `${trust}-${String(this.plans++)}.yaml`);
    const protocol = trust === 'two-servers' ? trust : 'double-masking';
    const secureSum = `\nsecureSum: { protocol: ${protocol}, minSurvivors: 14, maxColluding: 0 }`;
    const text = readFileSync(join(FEDERATIONS, 'ecebd-20.yaml'), 'utf8')
      .replace(/^secureSum: .*\n/m, '')
      .replace(/^trust: .*$/m, trust === 'local' ? 'trust: local' : `trust: distributed${secureSum}`);
    writeFileSync(file, change(text));
    return file;
  }

  constructor({ closed = false } = {}) {
    if (!closed) chmodSync(this.folder, 0o711);
  }

  /** Starts the command; `finished` settles when it has ended, `output()` is what it has printed so far. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    return this.spawn(process.execPath, [RUN, ...args], env);
  }

  /** Starts a federation as people do. */
  npmStart(args: readonly string[]) {
    return this.spawn('npm', ['start', '--', ...args], {});
  }

  private spawn(file: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    // The servers that jest runs for integration tests are not the ones that the command should use.
    const { DATABASE_URL: _database, NATS_URL: _broker, NODE_OPTIONS: _options, ...inherited } = process.env;
    const child = spawn(file, args, {
      cwd: join(import.meta.dirname, '../../..'),
      env: { ...inherited, FEDCARBON_HOME: this.home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const finished = new Promise<Outcome>((done) => {
      child.once('close', (code) => {
        this.running.delete(child);
        done({ code, output });
      });
    });
    return { child, finished, output: () => output };
  }

  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    return this.start(args, env).finished;
  }

  runFile(): RunFile | undefined {
    const file = join(this.home, 'run.json');
    try {
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RunFile) : undefined;
    } catch {
      return undefined; // It is being written.
    }
  }

  pidOf(name: string): number | undefined {
    return this.runFile()?.processes.find((process) => process.name === name)?.pid;
  }

  /** Where Postgres has its data. */
  get postgresData(): string {
    return postgresDataDir(join(this.home, 'postgres'));
  }

  /** Processes of the machine whose command line names this home or its database. */
  async leftovers(): Promise<string[]> {
    const { execFileSync } = await import('node:child_process');
    return execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => (line.includes(this.home) || line.includes(this.postgresData)) && !line.includes('ps -eo'));
  }

  async dispose(): Promise<void> {
    for (const child of this.running) child.kill('SIGTERM');
    const deadline = Date.now() + 20_000;
    while (this.running.size > 0 && Date.now() < deadline) await pause(50);
    for (const child of this.running) child.kill('SIGKILL');
    rmSync(this.postgresData, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Far more than anything takes on a busy machine: who waits for longer waits for what will not come. */
const HANGS_AFTER_MS = 180_000;

/** Waits until `condition` holds; fails with `what`, and what the command has printed by then, when it never does. */
export async function eventually(what: string, condition: () => boolean, output: () => string): Promise<void> {
  const deadline = Date.now() + HANGS_AFTER_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${String(HANGS_AFTER_MS)} ms: ${what}\n${output()}`);
    await pause(20);
  }
}
