import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FedcarbonError } from '@fedcarbon/kernel';
import { type ProcessIdentity, processIdentity } from '@fedcarbon/service';
import type { RunningServer } from '@fedcarbon/stack';

/** A process to keep alive: a script of ours, or a server that knows how to start itself. */
export type ProcessSpec =
  | {
      readonly name: string;
      readonly kind: 'script';
      readonly script: string;
      readonly args: readonly string[];
      readonly execArgs?: readonly string[];
    }
  | {
      readonly name: string;
      readonly kind: 'server';
      /** Starts it, telling its process id at once. */
      start(onSpawn: (pid: number) => void): Promise<RunningServer>;
    };

/** What is known of a kept process; without a process id between an end and the next start. */
export interface SupervisedProcess extends Partial<ProcessIdentity> {
  readonly name: string;
  readonly restarts: number;
}

interface Kept {
  readonly spec: ProcessSpec;
  identity: ProcessIdentity | undefined;
  restarts: number;
  /** Times of the latest ends, to tell a process that cannot run from one that was killed. */
  ends: number[];
  stop: () => Promise<void>;
  lastLine: string;
}

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 3000;
/** A process that ends this often within the window is broken, and restarting it helps nobody. */
const MAX_ENDS = 8;
const WINDOW_MS = 60_000;
const STOP_TIMEOUT_MS = 8000;

/** A process kept ending. */
export class ProcessFailedError extends FedcarbonError {
  constructor(message: string) {
    super('process_failed', message);
  }
}

/**
 * Keeps processes running: whatever ends without being asked to is started again, with a growing pause. Their output goes to one file each. A process that
 * keeps ending makes `failed` reject with its last words.
 */
export class Supervisor {
  /** Rejects when a process cannot be kept alive; never resolves. */
  readonly failed: Promise<never>;
  private readonly kept: Kept[] = [];
  private readonly logsDir: string;
  private readonly onChange: () => void;
  private readonly say: (line: string) => void;
  private fail: (error: Error) => void = () => undefined;
  private stopping = false;

  constructor(options: {
    readonly logsDir: string;
    readonly say: (line: string) => void;
    readonly onChange: () => void;
  }) {
    this.logsDir = options.logsDir;
    this.say = options.say;
    this.onChange = options.onChange;
    this.failed = new Promise<never>((_, reject) => {
      this.fail = reject;
    });
    // Whoever races against it handles it; unobserved it must not end the process before the others are stopped.
    this.failed.catch(() => undefined);
  }

  /** Names and process ids of what runs now. */
  processes(): SupervisedProcess[] {
    return this.kept.map(({ spec, identity, restarts }) => ({ name: spec.name, ...identity, restarts }));
  }

  /**
   * Starts a process and keeps it running. For a server, returns when it accepts connections. Throws what its first start throws, and FedcarbonError
   * (`stopping`) once everything is being stopped.
   */
  async keep(spec: ProcessSpec): Promise<void> {
    if (this.stopping) throw new FedcarbonError('stopping', `${spec.name} is not started: everything is being stopped`);
    const kept: Kept = { spec, identity: undefined, restarts: 0, ends: [], stop: async () => undefined, lastLine: '' };
    this.kept.push(kept);
    await this.launch(kept);
  }

  /** Stops everything, the last started first, and returns when all have ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    const [scripts, servers] = [
      this.kept.filter(({ spec }) => spec.kind === 'script'),
      this.kept.filter(({ spec }) => spec.kind === 'server'),
    ];
    await Promise.all(scripts.map((kept) => kept.stop()));
    for (const kept of servers.reverse()) await kept.stop();
  }

  private async launch(kept: Kept): Promise<void> {
    const { spec } = kept;
    if (spec.kind === 'server') {
      const starting = spec.start((pid) => {
        kept.identity = processIdentity(pid);
        this.onChange();
      });
      // What is still starting is stopped once it runs: it may be in the middle of creating its data.
      kept.stop = async () => {
        const started = await starting.catch(() => undefined);
        await started?.stop();
      };
      const server = await starting;
      void server.exited.then(() => {
        this.ended(kept);
      });
    } else {
      this.launchScript(kept, spec.script, spec.args, spec.execArgs ?? []);
      this.onChange();
    }
  }

  private launchScript(kept: Kept, script: string, args: readonly string[], execArgs: readonly string[]): void {
    const log = createWriteStream(join(this.logsDir, `${kept.spec.name}.log`), { flags: 'a' });
    // A full disk must not end the supervisor.
    log.on('error', () => undefined);
    const child = spawn(process.execPath, [...execArgs, script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    kept.identity = child.pid === undefined ? undefined : processIdentity(child.pid);
    collect(child, log, kept);
    // The last words arrive after the exit.
    const logged = new Promise<void>((done) => {
      child.once('close', () => {
        log.end(done);
      });
    });
    kept.stop = async () => {
      await endChild(child);
      await logged;
    };
    child.once('exit', () => {
      this.ended(kept);
    });
  }

  private ended(kept: Kept): void {
    kept.identity = undefined;
    if (this.stopping) return;
    const now = Date.now();
    kept.ends = [...kept.ends.filter((at) => now - at < WINDOW_MS), now];
    if (kept.ends.length >= MAX_ENDS) {
      const words = kept.lastLine === '' ? '' : `: ${kept.lastLine}`;
      this.fail(new ProcessFailedError(`${kept.spec.name} ended ${String(MAX_ENDS)} times within a minute${words}`));
      return;
    }
    kept.restarts++;
    this.say(`${kept.spec.name} ended and is started again`);
    void this.relaunch(kept, Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (kept.ends.length - 1)));
  }

  private async relaunch(kept: Kept, backoffMs: number): Promise<void> {
    await pause(backoffMs);
    if (this.stopping) return;
    try {
      await this.launch(kept);
      // `stop` may have been called while a server was starting.
      if (this.stopping as boolean) await kept.stop();
    } catch (error) {
      kept.lastLine = error instanceof Error ? error.message : String(error);
      this.ended(kept);
    }
  }
}

function collect(child: ChildProcess, log: WriteStream, kept: Kept): void {
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      log.write(chunk);
      const line = chunk.toString().trimEnd().split('\n').at(-1);
      if (line !== undefined && line !== '') kept.lastLine = line;
    });
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((done) => {
    child.once('exit', () => {
      done();
    });
  });
  child.kill('SIGTERM');
  const abort = new AbortController();
  const late = pause(STOP_TIMEOUT_MS, 'late' as const, { signal: abort.signal }).catch(() => undefined);
  if ((await Promise.race([exited, late])) === 'late') child.kill('SIGKILL');
  await exited;
  abort.abort();
}
