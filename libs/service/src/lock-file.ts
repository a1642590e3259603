import { rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { FedcarbonError } from '@fedcarbon/kernel';
import { placeFile, readFileIfAny, removeFileOf } from './exclusive-file.ts';
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** Who holds a lock. The start time tells a process from a later one of the same number, also across containers that all begin at 1. */
interface LockOwner extends ProcessIdentity {
  readonly host: string;
}

/** Another process works with the same files. */
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
  const mine = JSON.stringify({ host: hostname(), ...ownIdentity() });
  const draft = `${path}.${String(process.pid)}`;
  // Written first and linked into place, so that nobody ever reads half a lock.
  writeFileSync(draft, mine);
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      if (placeFile(draft, path)) {
        return () => {
          if (readFileIfAny(path) === mine) rmSync(path, { force: true });
        };
      }
      removeStale(path);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new LockedError(`${path}: several processes are after this lock; run one of them`);
}

function removeStale(path: string): void {
  const text = readFileIfAny(path);
  if (text === undefined) return;
  const owner = parseOwner(text);
  if (owner !== undefined && owner.host !== hostname()) {
    throw new LockedError(
      `${path}: in use on ${owner.host}; stop that process, or delete the lock file if the machine is gone`,
    );
  }
  if (owner !== undefined && isRunning(owner)) {
    throw new LockedError(`${path}: in use by process ${String(owner.pid)}; run one process on these files`);
  }
  removeFileOf(path, text);
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    return JSON.parse(text) as LockOwner;
  } catch {
    return undefined;
  }
}
