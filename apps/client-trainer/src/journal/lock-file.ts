import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { FedcarbonError } from '@fedcarbon/kernel';

/** Who holds a lock. The start time tells a process from a later one of the same number, also across containers that all begin at 1. */
interface LockOwner {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** Another process works with the folder. */
export class LockedError extends FedcarbonError {
  constructor(message: string) {
    super('journal_in_use', message);
  }
}

const TRIES = 5;

/**
 * Takes the lock file `path` for this process and returns the way to give it back. A lock whose process has ended is taken over.
 * Throws LockedError, naming the process, while another one lives or runs on another machine, of which nothing can be known from here.
 */
export function takeLock(path: string): () => void {
  const mine = JSON.stringify({ host: hostname(), pid: process.pid, startedAt: startTime(process.pid) ?? 'unknown' });
  const draft = `${path}.${String(process.pid)}`;
  // Written first and linked into place, so that nobody ever reads half a lock.
  writeFileSync(draft, mine);
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      if (tryLink(draft, path)) {
        return () => {
          if (readText(path) === mine) rmSync(path, { force: true });
        };
      }
      removeStale(path);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new LockedError(`${path}: several processes are after this lock; run one trainer per journal`);
}

function removeStale(path: string): void {
  const text = readText(path);
  if (text === undefined) return;
  const owner = parseOwner(text);
  if (owner !== undefined && owner.host !== hostname()) {
    throw new LockedError(
      `${path}: the journal is in use on ${owner.host}; stop that trainer, or delete the lock file if the machine is gone`,
    );
  }
  if (owner !== undefined && startTime(owner.pid) === owner.startedAt) {
    throw new LockedError(
      `${path}: the journal is in use by process ${String(owner.pid)}; run one trainer per journal`,
    );
  }
  // Moved aside before it is deleted: if somebody else has taken the lock over meanwhile, theirs is put back.
  const aside = `${path}.stale.${String(process.pid)}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readText(aside) !== text) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    return JSON.parse(text) as LockOwner;
  } catch {
    return undefined;
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** When a living process started, in whatever way the system tells it; undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  const stat = readText(`/proc/${String(pid)}/stat`);
  // Field 22 (proc(5)); the second field may hold spaces, so count after its closing parenthesis.
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  if (ticks !== undefined) return ticks;
  try {
    process.kill(pid, 0);
    return 'unknown';
  } catch (error) {
    // EPERM: it lives, under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'unknown' : undefined;
  }
}
