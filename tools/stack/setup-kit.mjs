// What the set-up steps share. Node built-ins only.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

/** Git-ignored folder of this checkout for everything that set-up and runs leave behind. */
export const stateFolder = join(root, '.fedcarbon');

/** Folder for fetched servers; may be shared between checkouts by FEDCARBON_CACHE. */
export const cacheFolder = resolve(process.env.FEDCARBON_CACHE || join(stateFolder, 'cache'));

/** A failure that the user can act on: its message says what is missing and what to do. */
export class SetupError extends Error {
  name = 'SetupError';
  expected = true;
}

/** Reports a step that takes a while. Writes to standard error, so that a command's own output stays clean. */
export async function progress(what, work) {
  const started = Date.now();
  process.stderr.write(`set-up: ${what} ...`);
  try {
    const result = await work();
    process.stderr.write(` ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
    return result;
  } catch (error) {
    process.stderr.write(' failed\n');
    throw error;
  }
}

/** Runs `file --version`. Returns the first dotted number printed, as [major, minor, patch], or undefined when it does not run. */
export function versionOf(file, options = {}) {
  const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000, ...options });
  const match = status === 0 ? /(\d+)\.(\d+)(?:\.(\d+))?/.exec(stdout) : null;
  return match?.slice(1).map((part) => Number(part ?? 0));
}

/** Folders of PATH. */
export const searchPath = () =>
  (process.env.PATH ?? '').split(process.platform === 'win32' ? ';' : ':').filter(Boolean);

/** Name of a program as a file. */
export const executable = (name) => (process.platform === 'win32' ? `${name}.exe` : name);
