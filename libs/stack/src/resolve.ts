import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StackError } from './errors.ts';

/** Where the servers' programs are on this machine. */
export interface StackPrograms {
  /** Path of nats-server. */
  readonly natsServer: string;
  /** Folder that holds `postgres` and `initdb`. */
  readonly postgresBin: string;
  /** Major version of that Postgres. */
  readonly postgresMajor: number;
}

/** Root of the checkout: two folders above this package, from `src` and from `dist` alike. */
export const checkoutRoot = resolve(import.meta.dirname, '../../..');

/**
 * What set-up found or fetched (`.fedcarbon/stack.json`). Throws StackError when set-up has not run, or when it ran with
 * NATS_URL or DATABASE_URL given and found no program of its own to start.
 */
export function resolveStack(): StackPrograms {
  const file = join(checkoutRoot, '.fedcarbon/stack.json');
  if (!existsSync(file)) throw new StackError(`${file} is missing: run \`npm run setup\` first.`);
  const { natsServer, postgres } = JSON.parse(readFileSync(file, 'utf8')) as {
    natsServer: string | null;
    postgres: { bin: string; major: number } | null;
  };
  if (natsServer === null) {
    throw new StackError(
      'No nats-server is on this machine: install it on PATH, or unset NATS_URL and run `npm run setup`.',
    );
  }
  if (postgres === null) {
    throw new StackError(
      'No Postgres is on this machine: install it on PATH, or unset DATABASE_URL and run `npm run setup`.',
    );
  }
  return { natsServer, postgresBin: postgres.bin, postgresMajor: postgres.major };
}
