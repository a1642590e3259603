import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { StackError } from './errors.ts';

/** How a process ended: by exit code or by signal. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server that this process started. */
export interface RunningServer {
  readonly pid: number;
  /** Where clients connect. */
  readonly url: string;
  /** Settles when the process has ended, for whatever reason. Never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /** Ends the process cleanly, by force after a deadline. Returns when it has ended; may be called again. */
  stop(): Promise<void>;
}

/** How to start, recognise and end a server. */
export interface ServerCommand {
  /** Name for messages. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly url: string;
  readonly options?: SpawnOptions;
  /** A line of output that says that connections are accepted. */
  readonly ready: RegExp;
  /** A line of output that says why it will not start, for the error message. */
  readonly complaint: RegExp;
  readonly startTimeoutMs: number;
  /** Signals sent one after the other, each with the time that it may take. SIGKILL follows. */
  readonly stopSignals: readonly (readonly [signal: NodeJS.Signals, timeoutMs: number])[];
  /** Sent when this process ends without having called `stop`. */
  readonly abandonSignal: NodeJS.Signals;
  /** Appends the server's output to this file. */
  readonly logFile?: string | undefined;
  /** Told the process id at once, long before connections are accepted. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
}

/** Lines of output kept for error messages. */
const KEPT_LINES = 40;

/**
 * Starts a server and returns once it accepts connections. Throws StackError when it ends before that, with its own
 * complaint, or when it is not ready in time; nothing is left running then.
 */
export async function startServer(command: ServerCommand): Promise<RunningServer> {
  const child = spawn(command.file, command.args, { ...command.options, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const exited = new Promise<ProcessEnd>((done) => {
    child.once('exit', (code, signal) => {
      done({ code, signal });
    });
    child.once('error', (error) => {
      lines.push(error.message);
      done({ code: 127, signal: null });
    });
  });
  const abandon = () => child.kill(command.abandonSignal);
  process.once('exit', abandon);
  void exited.then(() => process.off('exit', abandon));
  if (child.pid !== undefined) command.onSpawn?.(child.pid);

  const log = command.logFile === undefined ? undefined : createWriteStream(command.logFile, { flags: 'a' });
  log?.on('error', () => undefined); // A full disk must not end the server's supervisor.
  const started = new Promise<void>((done) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        log?.write(`${line}\n`);
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
        if (command.ready.test(line)) done();
      });
    }
  });
  // The last lines arrive after the exit.
  child.once('close', () => log?.end());

  const outcome = await withDeadline(command.startTimeoutMs, [
    started.then(() => 'ready' as const),
    exited.then(() => 'ended' as const),
  ]);
  if (outcome !== 'ready' || child.pid === undefined) {
    if (outcome === 'timeout') await endProcess(child, exited, []);
    await new Promise((done) => setTimeout(done, 20)); // The last lines arrive after the exit.
    // Without the time and process id that servers put in front.
    const complaints = lines.flatMap((line) =>
      command.complaint.test(line) ? [line.slice(line.search(command.complaint))] : [],
    );
    const said = complaints.join(' ') || lines.at(-1) || 'it printed nothing';
    const what = outcome === 'timeout' ? `was not ready in ${command.startTimeoutMs} ms` : 'did not start';
    throw new StackError(`${command.name} ${what}: ${said}`);
  }
  return {
    pid: child.pid,
    url: command.url,
    exited,
    stop: () => endProcess(child, exited, command.stopSignals),
  };
}

async function endProcess(
  child: ChildProcess,
  exited: Promise<ProcessEnd>,
  signals: ServerCommand['stopSignals'],
): Promise<void> {
  for (const [signal, timeoutMs] of signals) {
    child.kill(signal);
    if ((await withDeadline(timeoutMs, [exited])) !== 'timeout') return;
  }
  child.kill('SIGKILL');
  await exited;
}

/** The first of `promises` to settle, or 'timeout'. The timer does not outlive the call. */
async function withDeadline<T>(timeoutMs: number, promises: Promise<T>[]): Promise<T | 'timeout'> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timeout'>((done) => {
    timer = setTimeout(done, timeoutMs, 'timeout');
  });
  try {
    return await Promise.race([...promises, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
