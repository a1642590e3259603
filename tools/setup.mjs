// Brings a checkout from nothing to ready: packages, Prisma client, build, nats-server and Postgres. Plain Node, no
// dependency, because it runs before anything is installed. Every step is skipped when its result is up to date.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureNatsServer } from './stack/nats-server.mjs';
import { ensurePostgres } from './stack/postgres.mjs';
import { SetupError, progress, root, stateFolder } from './stack/setup-kit.mjs';

const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const digest = (text) => createHash('sha256').update(text).digest('hex');

/** What earlier set-ups left, as step -> fingerprint of the inputs that it was made from. */
function loadStamps() {
  try {
    return JSON.parse(readFileSync(join(stateFolder, 'setup.json'), 'utf8'));
  } catch {
    return {};
  }
}

function saveStamp(step, fingerprint) {
  mkdirSync(stateFolder, { recursive: true });
  writeFileSync(join(stateFolder, 'setup.json'), JSON.stringify({ ...loadStamps(), [step]: fingerprint }, null, 2));
}

/** Runs a command to its end and returns its output; on failure throws with the output's end. */
function run(what, command, args, env = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) =>
      fail(new SetupError(`${what} could not start (${error.message}): is ${command} on PATH?`)),
    );
    child.on('close', (code) => {
      if (code === 0) done(output);
      else
        fail(
          new SetupError(`${output.trim().split('\n').slice(-30).join('\n')}\n${what} failed with exit code ${code}.`),
        );
    });
  });
}

/**
 * Whether node_modules holds what the lockfile asks for. npm writes its own record of what it installed last of all, so
 * an interrupted installation does not count. Optional packages may be absent: they are for other platforms.
 */
function packagesInstalled() {
  const record = read(join(root, 'node_modules/.package-lock.json'));
  if (record === '') return false;
  const installed = JSON.parse(record).packages;
  const wanted = JSON.parse(read(join(root, 'package-lock.json'))).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true;
    const have = installed[path];
    if (have === undefined) return entry.optional === true || entry.devOptional === true;
    return have.version === entry.version && have.integrity === entry.integrity && have.link === entry.link;
  });
}

async function installPackages() {
  const lock = digest(read(join(root, 'package-lock.json')));
  const stamp = join(root, 'node_modules/.fedcarbon-stamp');
  if (read(stamp) === lock) return;
  if (!packagesInstalled()) {
    await progress('installing packages from the lockfile', () => {
      const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
      const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev', '--include=optional'];
      return run('npm ci', npm[0], [...npm.slice(1), ...args, '--loglevel=error']);
    });
  }
  writeFileSync(stamp, lock);
}

async function generatePrismaClient() {
  const inputs = ['prisma/schema.prisma', 'prisma.config.ts', 'node_modules/prisma/package.json'];
  const fingerprint = digest(inputs.map((path) => read(join(root, path))).join('\0'));
  const generated = join(root, 'libs/persistence/src/generated/client.ts');
  if (loadStamps().prisma === fingerprint && existsSync(generated)) return;
  await progress('generating the database client', () =>
    run('prisma generate', process.execPath, [join(root, 'tools/prisma-generate.mjs')]),
  );
  saveStamp('prisma', fingerprint);
}

const projects = () =>
  ['apps', 'libs']
    .flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)))
    .filter((folder) => existsSync(join(folder, 'tsconfig.json')));

/** Names, sizes and times of everything the build reads. Specs are left out: they are not built. */
function sourceFingerprint(folders) {
  const hash = createHash('sha256');
  const add = (path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  };
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (!entry.name.endsWith('.spec.ts')) add(path);
    }
  };
  for (const name of ['tsconfig.base.json', 'tsconfig.nest.json', 'package-lock.json']) add(join(root, name));
  for (const folder of folders) {
    add(join(folder, 'package.json'));
    add(join(folder, 'tsconfig.json'));
    if (existsSync(join(folder, 'src'))) walk(join(folder, 'src'));
  }
  return hash.digest('hex');
}

async function build() {
  const folders = projects();
  const fingerprint = sourceFingerprint(folders);
  const complete = folders.every((folder) => existsSync(join(folder, 'dist/.tsbuildinfo')));
  if (complete && loadStamps().sources === fingerprint) return;
  await progress('building', () =>
    run('The build', process.execPath, [join(root, 'node_modules/typescript/lib/tsc.js'), '-b', ...folders]),
  );
  saveStamp('sources', fingerprint);
}

/** Puts both servers in place and records where they are, for the command line and for tests. */
async function findServers() {
  const stack = { natsServer: await ensureNatsServer(), postgres: await ensurePostgres() };
  const text = JSON.stringify(stack, null, 2);
  const path = join(stateFolder, 'stack.json');
  if (read(path) === text) return;
  mkdirSync(stateFolder, { recursive: true });
  writeFileSync(path, text);
}

/** Runs every step that is not up to date. Throws SetupError, whose message says what to do. */
export async function setUp() {
  try {
    await installPackages();
    await findServers();
    await generatePrismaClient();
    await build();
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(error.code)) throw error;
    throw new SetupError(
      `Set-up cannot write ${error.path ?? root} (${error.code}): free the disk, or run as the owner of the checkout.`,
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await setUp();
  } catch (error) {
    console.error(error.expected ? error.message : error);
    process.exitCode = 1;
  }
}
