// Finds nats-server, or fetches it once per machine without root. Node built-ins only.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SetupError, cacheFolder, executable, progress, searchPath, versionOf } from './setup-kit.mjs';

const run = promisify(execFile);
const NAME = executable('nats-server');

/** `sync_interval: always`, consumers with several filters and stream metadata came with this version. */
const MINIMUM = [2, 10];
const usable = (file) => {
  const version = existsSync(file) ? versionOf(file) : undefined;
  return version !== undefined && (version[0] > MINIMUM[0] || (version[0] === MINIMUM[0] && version[1] >= MINIMUM[1]));
};

/** The release fetched where Debian's package is not to be had. */
const RELEASE = {
  version: '2.10.29',
  url: 'https://github.com/nats-io/nats-server/releases/download',
  // As published by the project in nats-io/nats-docker, 2.10.x. Other platforms are checked against the SHA256SUMS file
  // of the release itself, which protects against a broken download only.
  sha256: {
    'linux-amd64.tar.gz': 'e314da74a83a1d3876db8814c27eb990fe729640fd6452025b441bcede8390da',
    'linux-arm64.tar.gz': 'da4b27942ecfb4c5f0c54553d2e7f470ddda9d7581cfe8131b351a0e223ed401',
    'windows-amd64.zip': '98657bf4d5a9ce44168c019ba6894cda8e22e6adc8798edc05c168db7262de29',
  },
};

/** Debian suite whose package is recent enough and runs on Debian 12 and later (it needs libc6 >= 2.34 only). */
const DEBIAN_SUITE = 'trixie';

/**
 * Path of a nats-server >= 2.10: from PATH, from the project's cache, or fetched into it.
 * With NATS_URL set nothing is fetched, and null is returned when none is there.
 * Throws SetupError saying what was tried and what to do.
 */
export async function ensureNatsServer() {
  const cached = join(cacheFolder, NAME);
  const found = [...searchPath().map((folder) => join(folder, NAME)), cached].find(usable);
  if (found !== undefined) return found;
  if (process.env.NATS_URL) return null;

  const failures = [];
  for (const [source, fetchInto] of [
    ["Debian's package", fromDebian],
    ['the official release', fromRelease],
  ]) {
    const scratch = mkdtempSync(join(tmpdir(), 'fedcarbon-nats-'));
    try {
      return await progress(`fetching nats-server from ${source}`, async () => {
        install(await fetchInto(scratch), cached);
        if (!usable(cached)) throw new Error(`it does not run here or is older than ${MINIMUM.join('.')}`);
        return cached;
      });
    } catch (error) {
      failures.push(
        `${source}: ${String(error.stderr || error.message)
          .trim()
          .split('\n')
          .at(-1)}`,
      );
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  throw new SetupError(
    `nats-server ${MINIMUM.join('.')} or newer was not found and could not be fetched (${failures.join('; ')}): install it so that it is on PATH, or set NATS_URL to a running one with JetStream.`,
  );
}

/** Moves into place in one step, so that a second process never sees half a file. */
function install(file, target) {
  mkdirSync(cacheFolder, { recursive: true });
  const part = `${target}.${process.pid}`;
  copyFileSync(file, part);
  chmodSync(part, 0o755);
  renameSync(part, target);
}

/** Unpacks Debian's package with an apt state of its own: needs no root and changes nothing on the machine. */
async function fromDebian(scratch) {
  if (!existsSync('/etc/debian_version')) throw new Error('this is not a Debian system');
  const { stdout } = await run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE)',
    'Created-By: Packages',
  ]);
  const mirror = stdout
    .split('\n')
    .map((line) => line.split(' '))
    .find(([uri, release]) => /\/debian\/?$/.test(uri) && /^[a-z]+$/.test(release ?? ''))?.[0];
  if (mirror === undefined) throw new Error("apt's lists name no Debian mirror");
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signedBy = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  writeFileSync(join(scratch, 'sources.list'), `deb ${signedBy}${mirror} ${DEBIAN_SUITE} main\n`);
  writeFileSync(join(scratch, 'status'), '');
  for (const folder of ['lists/partial', 'cache/archives/partial', 'unpacked'])
    mkdirSync(join(scratch, folder), { recursive: true });
  const options = Object.entries({
    'Dir::Etc::sourcelist': join(scratch, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': scratch,
    'Dir::State::lists': join(scratch, 'lists'),
    'Dir::State::status': join(scratch, 'status'),
    'Dir::Cache': join(scratch, 'cache'),
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
  }).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const apt = (...args) => run('apt-get', [...options, '-qq', ...args], { cwd: scratch, timeout: 120_000 });
  await apt('update');
  await apt('download', 'nats-server');
  const archive = readdirSync(scratch).find((name) => name.endsWith('.deb'));
  if (archive === undefined) throw new Error('apt-get download left no package');
  await run('dpkg', ['-x', join(scratch, archive), join(scratch, 'unpacked')]);
  return ['usr/sbin', 'usr/bin'].map((folder) => join(scratch, 'unpacked', folder, NAME)).find(existsSync);
}

async function fromRelease(scratch) {
  const system = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[process.platform];
  const machine = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  if (system === undefined || machine === undefined)
    throw new Error(`no release for ${process.platform} ${process.arch}`);
  const kind = `${system}-${machine}.${system === 'windows' ? 'zip' : 'tar.gz'}`;
  const name = `nats-server-v${RELEASE.version}-${kind}`;
  const folder = `${RELEASE.url}/v${RELEASE.version}`;
  const expected = RELEASE.sha256[kind] ?? checksumIn(String(await download(`${folder}/SHA256SUMS`)), name);
  const archive = await download(`${folder}/${name}`);
  const actual = createHash('sha256').update(archive).digest('hex');
  if (actual !== expected) throw new Error(`${name} has SHA-256 ${actual} instead of ${expected}`);
  writeFileSync(join(scratch, name), archive);
  await run('tar', ['-xf', name], { cwd: scratch });
  return join(scratch, name.replace(/\.(zip|tar\.gz)$/, ''), NAME);
}

function checksumIn(sums, name) {
  const line = sums.split('\n').find((text) => text.trim().endsWith(name));
  if (line === undefined) throw new Error(`SHA256SUMS does not list ${name}`);
  return line.trim().split(/\s+/)[0];
}

async function download(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(120_000) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`, { cause: error });
  }
}
