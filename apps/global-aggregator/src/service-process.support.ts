import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_TIMEOUT_MS = 30_000;
const loader = new URL('../../../tools/ts.mjs', import.meta.url).href;

/** A service of this repository as a process of its own, run from its sources. */
export class ServiceProcess {
  /** Its structured log so far. */
  readonly log: Readonly<Record<string, unknown>>[] = [];
  readonly app: string;
  readonly #child: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals | null>;
  #output = '';

  private constructor(app: string, configFile: string, fault: string | undefined) {
    this.app = app;
    const main = fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));
    const { NODE_OPTIONS: _jests, ...env } = process.env;
    this.#child = spawn(process.execPath, ['--import', loader, main, '--config', configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, NODE_ENV: 'test', ...(fault === undefined ? {} : { FEDCARBON_FAULT: fault }) },
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        resolve(signal ?? code);
      });
    });
    let rest = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.log.push(JSON.parse(line) as Record<string, unknown>);
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
    });
  }

  /** Starts `apps/<app>` and waits until it is ready. `fault`: ends itself at that point. Throws what it said when it does not come up. */
  static async start(app: string, configFile: string, fault?: string): Promise<ServiceProcess> {
    const service = new ServiceProcess(app, configFile, fault);
    const deadline = performance.now() + READY_TIMEOUT_MS;
    const hasEnded = () => service.#child.exitCode !== null || service.#child.signalCode !== null;
    while (performance.now() < deadline && !hasEnded()) {
      const url = service.log.find(({ msg }) => msg === 'listening')?.['url'];
      if (typeof url === 'string' && (await isReady(url))) return service;
      await pause(20);
    }
    // With old work to take up, the fault may strike first.
    if (fault !== undefined && hasEnded()) return service;
    await service.kill();
    throw new Error(
      `${app} did not get ready: ${service.#output}${service.log.map((line) => JSON.stringify(line)).join('\n')}`,
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks it to stop; resolves with its exit code. */
  stop(): Promise<number | NodeJS.Signals | null> {
    this.#child.kill('SIGTERM');
    return this.exited;
  }

  kill(): Promise<number | NodeJS.Signals | null> {
    this.#child.kill('SIGKILL');
    return this.exited;
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
}
