import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import type { DatasetName } from '@fedcarbon/stock';
import { ARTEFACTS } from './artefact.ts';
import type { Artefact } from './artefact.ts';

/** Where to look, and how to fetch. */
export interface DatasetEnvironment {
  /** `FEDCARBON_DATA_DIR`, when it is set. */
  readonly dataDir?: string | undefined;
  /** Root of the checkout: `data/` in it and `shared/data` beside it are searched. */
  readonly checkoutDir: string;
  /** The project's own cache; a fetched file is kept here. */
  readonly cacheDir: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Time limit of a fetch, default 10 s. */
  readonly fetchTimeoutMs?: number;
  /** Receives each line that the user should see. Default: none. */
  readonly note?: (line: string) => void;
}

/** A verified file, or the reason why there is none. */
export type LocatedDataset =
  | {
      readonly name: DatasetName;
      readonly simulated: false;
      readonly path: string;
      readonly text: string;
      readonly sha256: string;
    }
  | { readonly name: DatasetName; readonly simulated: true; readonly reason: string };

const DEFAULT_FETCH_TIMEOUT_MS = 10_000;

/**
 * Finds the published file of a data set: `FEDCARBON_DATA_DIR`, `data/` in the checkout, `shared/data` beside it, the cache, the publisher. What is found first must have
 * the digest of the artefact; another file is refused and never skipped over. When nothing is found, the answer says why, and the caller uses a simulated stock and says so.
 * Throws InvalidInputError for a wrong digest (naming file, found and expected digest) and for a `FEDCARBON_DATA_DIR` that is not a folder.
 */
export async function locateDataset(name: DatasetName, environment: DatasetEnvironment): Promise<LocatedDataset> {
  const artefact = ARTEFACTS[name];
  const { dataDir, checkoutDir, cacheDir, note = () => undefined } = environment;
  if (dataDir !== undefined && !(await isFolder(dataDir))) {
    throw new InvalidInputError(`FEDCARBON_DATA_DIR is "${dataDir}", which is not a folder; correct it or unset it`);
  }
  const cached = join(cacheDir, 'data', artefact.path);
  const candidates = [
    ...(dataDir === undefined ? [] : [join(dataDir, artefact.path)]),
    join(checkoutDir, 'data', artefact.path),
    join(checkoutDir, '..', 'shared', 'data', artefact.path),
    cached,
  ].map((path) => resolve(path));
  for (const path of candidates) {
    const bytes = await readIfPresent(path);
    if (bytes !== null) return verified(name, artefact, path, bytes);
    if (dataDir !== undefined && path === candidates[0]) note(`${path} does not exist; looking elsewhere for ${name}`);
  }

  const fetched =
    artefact.url === null ? 'no publisher serves these bytes' : await fetchBytes(artefact.url, environment);
  if (artefact.url === null || typeof fetched === 'string') {
    const reason = `${artefact.path} is in no data folder and cannot be fetched (${String(fetched)})`;
    note(`${reason}; to use the published data, set FEDCARBON_DATA_DIR to a folder that holds it`);
    return { name, simulated: true, reason };
  }
  const located = verified(name, artefact, artefact.url, fetched);
  await keep(cached, fetched).catch((error: unknown) => {
    note(`${artefact.path} was fetched but could not be kept in the cache: ${describeError(error)}`);
  });
  return located;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}

async function readIfPresent(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw new InvalidInputError(`${path} cannot be read: ${describeError(error)}`, { cause: error });
  }
}

function verified(name: DatasetName, artefact: Artefact, path: string, bytes: Uint8Array): LocatedDataset {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 === artefact.sha256) {
    return { name, simulated: false, path, text: new TextDecoder().decode(bytes), sha256 };
  }
  throw new InvalidInputError(
    `${path} is not the published file: its SHA-256 is ${sha256}, expected ${artefact.sha256}; replace or remove it`,
    { code: 'wrong_checksum' },
  );
}

/** The bytes at `url`, or one phrase that says why not. */
async function fetchBytes(url: string, environment: DatasetEnvironment): Promise<Uint8Array | string> {
  const { fetch: get = fetch, fetchTimeoutMs = DEFAULT_FETCH_TIMEOUT_MS } = environment;
  const signal = AbortSignal.timeout(fetchTimeoutMs);
  try {
    const response = await get(url, { signal });
    if (!response.ok) return `HTTP status ${response.status}`;
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (signal.aborted) return `no answer within ${fetchTimeoutMs / 1000} s`;
    // Node's fetch hides the reason, e.g. ENOTFOUND, in the cause.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return describeError(cause);
  }
}

/** Writes whole or not at all: another process may be reading. */
async function keep(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.part`;
  await writeFile(partial, bytes);
  await rename(partial, path);
}
