import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { FedcarbonError } from '@fedcarbon/kernel';
import {
  isRunning,
  ownIdentity,
  placeFile,
  type ProcessIdentity,
  readFileIfAny,
  removeFileOf,
} from '@fedcarbon/service';
import type { Home } from './home.ts';
import type { SupervisedProcess } from './supervisor.ts';

/** Content of the mark. Start times tell its processes from later ones that got the same numbers. */
interface RunFile extends ProcessIdentity {
  readonly apiUrl?: string;
  readonly processes: readonly SupervisedProcess[];
}

const LEFTOVER_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 5000;
const TRIES = 5;

/** The mark of a running federation in its home: who runs it and what it has started. */
export class RunMark {
  private readonly home: Home;
  private readonly owner: ProcessIdentity;
  private processes: readonly SupervisedProcess[] = [];
  private apiUrl: string | undefined;

  constructor(home: Home) {
    this.home = home;
    this.owner = ownIdentity();
  }

  /**
   * Takes the home for this process. What a killed run has left running is stopped first.
   * Throws FedcarbonError: `already_running` when another run is alive, `leftover` when what one left cannot be stopped.
   */
  async take(say: (line: string) => void): Promise<void> {
    const mark = this.home.runFile;
    const draft = this.draft();
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        // Written first and linked into place: of two that start at once, one gets the home.
        if (placeFile(draft, mark)) return;
        await this.endEarlier(say);
      }
    } finally {
      rmSync(draft, { force: true });
    }
    throw new FedcarbonError('already_running', `${mark}: several runs are after this folder; start one of them`);
  }

  /** Records what runs. */
  write(processes: readonly SupervisedProcess[], apiUrl?: string): void {
    this.processes = processes;
    this.apiUrl = apiUrl ?? this.apiUrl;
    renameSync(this.draft(), this.home.runFile);
  }

  /** Gives the home back, unless something that was recorded still runs: the next start has to know of it. */
  release(): void {
    if (running(this.processes).length === 0) rmSync(this.home.runFile, { force: true });
  }

  private draft(): string {
    const file = `${this.home.runFile}.${String(process.pid)}`;
    const content: RunFile = {
      ...this.owner,
      processes: this.processes,
      ...(this.apiUrl === undefined ? {} : { apiUrl: this.apiUrl }),
    };
    writeFileSync(file, JSON.stringify(content, null, 2), { mode: 0o600 });
    return file;
  }

  /** Ends what an earlier run has left and removes its mark, in this order: a mark that names living processes must not get lost. */
  private async endEarlier(say: (line: string) => void): Promise<void> {
    const mark = this.home.runFile;
    const text = readFileIfAny(mark);
    if (text === undefined) return;
    const earlier = parseMark(text);
    if (earlier !== undefined && isRunning(earlier)) {
      throw new FedcarbonError(
        'already_running',
        `a federation is running already (process ${String(earlier.pid)}): stop it with Ctrl-C there, or set FEDCARBON_HOME to another folder`,
      );
    }
    const left = running(earlier?.processes ?? []);
    if (left.length > 0) {
      say(`stopping what a killed run left behind: ${left.map(({ name }) => name).join(', ')}`);
      await endAll(left);
    }
    removeFileOf(mark, text);
  }
}

interface Leftover extends ProcessIdentity {
  readonly name: string;
}

function running(processes: readonly Pick<SupervisedProcess, keyof Leftover>[]): Leftover[] {
  return processes.flatMap(({ name, pid, startedAt }) =>
    pid !== undefined && startedAt !== undefined && isRunning({ pid, startedAt }) ? [{ name, pid, startedAt }] : [],
  );
}

async function endAll(left: readonly Leftover[]): Promise<void> {
  // SIGINT is a fast shutdown for Postgres and a graceful one for the others.
  for (const [signal, timeoutMs] of [
    ['SIGINT', LEFTOVER_TIMEOUT_MS],
    ['SIGKILL', KILL_TIMEOUT_MS],
  ] as const) {
    for (const { pid } of running(left)) send(signal, pid);
    const deadline = Date.now() + timeoutMs;
    while (running(left).length > 0 && Date.now() < deadline) await pause(50);
  }
  const [stubborn] = running(left);
  if (stubborn !== undefined) {
    throw new FedcarbonError(
      'leftover',
      `${stubborn.name} (process ${String(stubborn.pid)}) of an earlier run cannot be stopped: stop it by hand, then start again`,
    );
  }
}

function send(signal: NodeJS.Signals, pid: number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended just now, or belongs to another user: whether it still runs is looked at afterwards.
  }
}

function parseMark(text: string): RunFile | undefined {
  try {
    return JSON.parse(text) as RunFile;
  } catch {
    return undefined;
  }
}
