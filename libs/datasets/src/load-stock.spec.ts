import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import type { DatasetName } from '@fedcarbon/stock';
import { sharedPath, temporaryFolder } from '@fedcarbon/testing';
import { ARTEFACTS } from './artefact.ts';
import { loadStock } from './load-stock.ts';
import { locateDataset } from './locate-dataset.ts';
import type { DatasetEnvironment } from './locate-dataset.ts';

const offline: typeof fetch = () =>
  Promise.reject(new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND publisher') }));
const serving =
  (bytes: Uint8Array<ArrayBuffer>, status = 200): typeof fetch =>
  () =>
    Promise.resolve(new Response(bytes, { status }));

let folder: ReturnType<typeof temporaryFolder>;
let notes: string[];
let environment: DatasetEnvironment & { dataDir: string };

beforeEach(() => {
  folder = temporaryFolder('datasets');
  notes = [];
  environment = {
    dataDir: join(folder.path, 'named'),
    checkoutDir: join(folder.path, 'checkout'),
    cacheDir: join(folder.path, 'cache'),
    fetch: offline,
    note: (line) => notes.push(line),
  };
  for (const path of [environment.dataDir, environment.checkoutDir]) mkdirSync(path);
});
afterEach(() => {
  folder.remove();
});

/** The folders in the order in which they count. */
const places = () => [
  environment.dataDir,
  join(environment.checkoutDir, 'data'),
  join(folder.path, 'shared', 'data'),
  join(environment.cacheDir, 'data'),
];
function put(place: string, name: DatasetName, content: string): string {
  const path = join(place, ARTEFACTS[name].path);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

describe('locateDataset', () => {
  it.each([0, 1, 2, 3])(
    'refuses a wrong file in place %i of the order, and never falls through to the next',
    async (first) => {
      const paths = places()
        .slice(first)
        .map((place) => put(place, 'ecebd', `not the data, found in ${place}`));
      const found = createHash('sha256')
        .update(readFileSync(paths[0] ?? ''))
        .digest('hex');
      const attempt = locateDataset('ecebd', environment);
      await expect(attempt).rejects.toThrow(InvalidInputError);
      await expect(attempt).rejects.toThrow(
        `${paths[0] ?? ''} is not the published file: its SHA-256 is ${found}, expected ${ARTEFACTS.ecebd.sha256}`,
      );
    },
  );

  it('refuses a FEDCARBON_DATA_DIR that is not a folder', async () => {
    const dataDir = join(folder.path, 'absent');
    await expect(locateDataset('ecebd', { ...environment, dataDir })).rejects.toThrow(
      `FEDCARBON_DATA_DIR is "${dataDir}"`,
    );
  });

  it('says in one line that FEDCARBON_DATA_DIR lacks the file, and in one that it is offline', async () => {
    const located = await locateDataset('ecebd', environment);
    expect(located).toMatchObject({ simulated: true, reason: expect.stringContaining('ENOTFOUND publisher') });
    expect(notes).toEqual([
      expect.stringContaining('does not exist'),
      expect.stringContaining('set FEDCARBON_DATA_DIR'),
    ]);
  });

  it('gives up when the publisher does not answer in time', async () => {
    const silent: typeof fetch = (_, init) =>
      new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => {
          reject(init.signal?.reason as Error);
        });
      });
    const located = await locateDataset('ecebd', { ...environment, fetch: silent, fetchTimeoutMs: 20 });
    expect(located).toMatchObject({ simulated: true, reason: expect.stringContaining('no answer within 0.02 s') });
  });

  it('says which status the publisher answered', async () => {
    const located = await locateDataset('ecebd', { ...environment, fetch: serving(new Uint8Array(), 404) });
    expect(located).toMatchObject({ simulated: true, reason: expect.stringContaining('HTTP status 404') });
  });

  it('refuses other bytes than the published ones also from the publisher, and keeps nothing', async () => {
    const attempt = locateDataset('ecebd', { ...environment, fetch: serving(new TextEncoder().encode('<html>')) });
    await expect(attempt).rejects.toThrow(`${ARTEFACTS.ecebd.url ?? ''} is not the published file`);
    expect(existsSync(environment.cacheDir)).toBe(false);
  });

  it('asks the publisher for the file at the commit of the provenance', async () => {
    const asked: unknown[] = [];
    const watching: typeof fetch = (url) => {
      asked.push(url);
      return offline('');
    };
    await locateDataset('ecebd', { ...environment, fetch: watching });
    await locateDataset('uci-energy', { ...environment, fetch: watching });
    expect(asked).toEqual([
      'https://raw.githubusercontent.com/mroeck/Embodied-Carbon-of-European-Buildings-Database/212528e231f4ce506f2973bd40643434ee9de777/00_data/3_data_feature_engineered/EU-ECB_dataset_feature_engineered.csv',
    ]);
  });
});

describe('loadStock without any published file', () => {
  it.each<[DatasetName, number]>([
    ['ecebd', 640],
    ['uci-energy', 768],
  ])('simulates %s and calls it simulated', async (name, count) => {
    const stock = await loadStock(name, environment);
    expect(stock).toMatchObject({ dataset: name, data: { kind: 'simulated', seed: 42 }, rows: count, rejected: {} });
    expect(stock.records).toHaveLength(count);
    expect(stock.records.every((record) => record.simulated && record.dataset === name)).toBe(true);
    expect(stock.provenance).toMatch(/^SIMULATED \(\d+ records, seed 42\): .* cannot be fetched/);
    expect(await loadStock(name, environment)).toEqual(stock);
  });
});

const published = {
  ecebd: sharedPath(`data/${ARTEFACTS.ecebd.path}`),
  'uci-energy': sharedPath(`data/${ARTEFACTS['uci-energy'].path}`),
};

describe.each<[DatasetName, number]>([
  ['ecebd', 644],
  ['uci-energy', 768],
])('the published %s', (name, count) => {
  const source = published[name] ?? '';

  (source ? it : it.skip).each([0, 1, 2, 3])(
    'is verified and read from place %i (needs shared/data)',
    async (place) => {
      // A wrong file in every later place: none of them may be looked at.
      for (const later of places().slice(place + 1)) put(later, name, 'wrong');
      const path = put(places()[place] ?? '', name, '');
      copyFileSync(source, path);
      const stock = await loadStock(name, environment);
      expect(stock).toMatchObject({ data: { kind: 'published', sha256: ARTEFACTS[name].sha256 } });
      expect(stock.records).toHaveLength(count);
      expect(stock.records.some(({ simulated }) => simulated)).toBe(false);
      expect(stock.rows).toBe(count + Object.values(stock.rejected).reduce((a, b) => a + b, 0));
      expect(stock.provenance).toContain(path);
    },
  );
});

(published.ecebd ? describe : describe.skip)('a fetched ecebd (needs shared/data to serve from)', () => {
  it('is kept in the cache, from where the next run reads it offline', async () => {
    const bytes = new Uint8Array(readFileSync(published.ecebd ?? ''));
    const first = await loadStock('ecebd', { ...environment, fetch: serving(bytes) });
    expect(first.provenance).toContain(`read from ${ARTEFACTS.ecebd.url ?? ''}`);
    const second = await loadStock('ecebd', environment);
    expect(second.records).toEqual(first.records);
    expect(second.provenance).toContain(join(environment.cacheDir, 'data', ARTEFACTS.ecebd.path));
  });

  it('is used even when the cache cannot be written', async () => {
    writeFileSync(environment.cacheDir, 'a file where a folder should be');
    const bytes = new Uint8Array(readFileSync(published.ecebd ?? ''));
    const stock = await loadStock('ecebd', { ...environment, fetch: serving(bytes) });
    expect(stock.data).toEqual({ kind: 'published', sha256: ARTEFACTS.ecebd.sha256 });
    expect(notes.at(-1)).toContain('could not be kept in the cache');
  });
});
