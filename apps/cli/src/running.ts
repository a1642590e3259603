import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { FedcarbonError } from '@fedcarbon/kernel';
import type { Home } from './home.ts';

interface RunFile {
  readonly pid: number;
  readonly apiUrl?: string;
  readonly processes: readonly {
    readonly name: string;
    readonly pid?: number | undefined;
    readonly restarts: number;
  }[];
}

const LEFTOVER_TIMEOUT_MS = 10_000;

/** The mark of a running federation in its home: who runs it and what it has started. */
export class RunMark {
  private readonly home: Home;
  private apiUrl: string | undefined;

  constructor(home: Home) {
    this.home = home;
  }

  /**
   * Takes the home for this process. What a killed run has left running is stopped first.
   * Throws FedcarbonError (`already_running`) when another run is alive.
   */
  async take(say: (line: string) => void): Promise<void> {
    const earlier = this.read();
    if (earlier !== undefined && earlier.pid !== process.pid && isOurs(earlier.pid, 'main.')) {
      throw new FedcarbonError(
        'already_running',
        `a federation is running already (process ${String(earlier.pid)}): stop it with Ctrl-C there, or set FEDCARBON_HOME to another folder`,
      );
    }
    const left = (earlier?.processes ?? []).filter(({ pid }) => pid !== undefined && isOurs(pid, this.home.root));
    if (left.length > 0) {
      say(`stopping what a killed run left behind: ${left.map(({ name }) => name).join(', ')}`);
      await endAll(left.flatMap(({ pid }) => (pid === undefined ? [] : [pid])));
    }
    this.write([]);
  }

  /** Records what runs. */
  write(processes: RunFile['processes'], apiUrl?: string): void {
    this.apiUrl = apiUrl ?? this.apiUrl;
    const content: RunFile = {
      pid: process.pid,
      processes,
      ...(this.apiUrl === undefined ? {} : { apiUrl: this.apiUrl }),
    };
    writeFileSync(this.home.runFile, JSON.stringify(content, null, 2), { mode: 0o600 });
  }

  release(): void {
    rmSync(this.home.runFile, { force: true });
  }

  private read(): RunFile | undefined {
    if (!existsSync(this.home.runFile)) return undefined;
    try {
      return JSON.parse(readFileSync(this.home.runFile, 'utf8')) as RunFile;
    } catch {
      return undefined;
    }
  }
}

/** Whether `pid` is alive and, where the system shows command lines, one of ours: process ids are used again. */
function isOurs(pid: number, mark: string): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const commandLine = `/proc/${String(pid)}/cmdline`;
  return !existsSync(commandLine) || readFileSync(commandLine, 'utf8').includes(mark);
}

async function endAll(pids: readonly number[]): Promise<void> {
  const alive = () =>
    pids.filter((pid) => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    });
  // SIGINT is a fast shutdown for Postgres and a graceful one for the others.
  for (const pid of alive()) process.kill(pid, 'SIGINT');
  const deadline = Date.now() + LEFTOVER_TIMEOUT_MS;
  while (alive().length > 0 && Date.now() < deadline) await pause(50);
  for (const pid of alive()) process.kill(pid, 'SIGKILL');
}
