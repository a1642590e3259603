import { outcomeRange } from '@fedcarbon/benchmark';
import {
  BenchmarkAnswer,
  BudgetAnswer,
  brokerUser,
  FederationAnswer,
  LedgerAnswer,
  ModelAnswer,
  ModelsAnswer,
  parseStrict,
  PositionAnswer,
  type Provenance,
  type Role,
  RoundAnswer,
  RoundsAnswer,
  SUBJECTS,
} from '@fedcarbon/contracts';
import { toHex } from '@fedcarbon/kernel';
import { exportLines } from '@fedcarbon/ledger';
import { LedgerRepository } from '@fedcarbon/persistence';
import { epsilonOf } from '@fedcarbon/privacy';
import { createLogger, type RunningService, sha256, startService } from '@fedcarbon/service';
import { seededRandom, startPostgres, temporaryFolder, type TestPostgres, sharedNatsUrl } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import fc from 'fast-check';
import type { z } from 'zod';
import { EXAMPLE_KEYS, ExampleFederation } from './example-federation.support.ts';
import { benchmarkApi } from './service.ts';

const folder = temporaryFolder('benchmark-api');
const logged: string[] = [];
const logger = createLogger({
  ...{ name: 'benchmark-api', level: 'info' },
  destination: { write: (line) => void logged.push(line) },
});
let postgres: TestPostgres;
let example: ExampleFederation;
let service: RunningService;

beforeAll(async () => {
  postgres = await startPostgres();
  example = await ExampleFederation.begin(await postgres.createDatabase(), seededRandom('benchmark-api'));
  const broker = { servers: [sharedNatsUrl()], user: brokerUser.service('benchmark-api'), password: 'not-asked-for' };
  service = await startService(benchmarkApi, example.writeConfig(folder.path, broker).config, logger);
}, 60_000);
afterAll(async () => {
  await service.stop();
  await example.close();
  await postgres.stop();
  folder.remove();
});

interface Asked {
  readonly role?: Role;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}
async function ask(path: string, { role = 'analyst', headers = {}, body }: Asked = {}): Promise<Response> {
  return fetch(service.url + path, {
    headers: {
      ...(headers['authorization'] === undefined ? { authorization: `Bearer ${EXAMPLE_KEYS[role]}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
}
async function answer<T extends { provenance: Provenance }>(path: string, schema: z.ZodType<T>, asked?: Asked) {
  const response = await ask(path, asked);
  const body: unknown = await response.json();
  expect([response.status, body]).toEqual([200, expect.anything()]);
  return parseStrict(schema, body, path);
}
async function problem(path: string, asked?: Asked) {
  const response = await ask(path, asked);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const body = (await response.json()) as { status: number; type: string; detail?: string };
  expect(body.status).toBe(response.status);
  return body;
}
/** What a closed round does; the test's broker has no accounts, so anybody may. */
async function signal(): Promise<void> {
  const connection = await connect({ servers: sharedNatsUrl() });
  connection.publish(SUBJECTS.roundClosed, new Uint8Array());
  await connection.flush();
  await connection.close();
}
async function eventually(fits: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await fits());) {
    if (performance.now() > deadline) throw new Error('it did not come about within 20 s');
    await new Promise((done) => setTimeout(done, 20));
  }
}
const ledgerSize = async () => (await answer('/v1/ledger', LedgerAnswer)).size;

// The tests follow one federation from its enrolment to its end.
describe('before the first round', () => {
  it('has empty lists, no model, no release', async () => {
    expect(await answer('/v1/models', ModelsAnswer)).toMatchObject({ models: [] });
    expect(await answer('/v1/rounds', RoundsAnswer)).toMatchObject({ rounds: [] });
    expect(await answer('/v1/federation', FederationAnswer)).toMatchObject({
      status: 'not_started',
      releasedRounds: 0,
    });
    const benchmarks = await answer('/v1/benchmarks', BenchmarkAnswer);
    expect(benchmarks).toMatchObject({ status: 'not_released', reason: 'no release yet', percentiles: [] });
    expect(benchmarks.provenance).toMatchObject({ modelVersion: null, epsilon: 0, ledger: { size: 0, root: null } });
    expect(benchmarks.provenance.assumption).toMatch(/^Every holder adds the full noise itself/);
    expect(await problem('/v1/models/latest')).toMatchObject({
      status: 404,
      detail: expect.stringContaining('no round'),
    });
    expect(await problem('/v1/position', { body: { attributes: {} } })).toMatchObject({ status: 503 });
  });
});

describe('with everything released', () => {
  beforeAll(async () => {
    await example.complete();
    await example.refuse();
    await signal();
    const { size } = await new LedgerRepository(example.database.session).head();
    await eventually(async () => (await ledgerSize()) === size);
  }, 60_000);

  it('answers every released segment, and in any spelling', async () => {
    for (const { name, groups } of example.plan.benchmarks.layout.margins) {
      for (const group of groups.filter((text) => text !== 'other')) {
        const query = groups.length === 1 ? '' : `${name}=${encodeURIComponent(group)}`;
        const { status, percentiles } = await answer(`/v1/benchmarks?${query}`, BenchmarkAnswer);
        expect(['ok', 'insufficient_data']).toContain(status);
        expect(percentiles.map(({ level }) => level)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
      }
    }
    expect(await answer('/v1/benchmarks?use=residential', BenchmarkAnswer)).toMatchObject({ status: 'ok' });
    const spelled = await answer('/v1/benchmarks?structure=Massive%20Brick&use=Residential', BenchmarkAnswer);
    expect(spelled.segment).toEqual({ structure: 'massive-brick', use: 'residential' });
    expect(spelled.status).not.toBe('not_released');
  });

  // One seeded draw of the noise, so this either holds or does not: no false alarms. Stated level 0.9, so one of nine may miss.
  it('covers the percentiles of the counted records', async () => {
    const { percentiles } = await answer('/v1/benchmarks', BenchmarkAnswer);
    const [lowest, highest] = outcomeRange(example.plan.benchmarks.layout);
    const sorted = example.outcomes.map((y) => Math.min(highest, Math.max(lowest, y))).sort((a, b) => a - b);
    const covered = percentiles.filter(({ level, low, high }) => {
      const empirical = sorted[Math.floor(level * sorted.length)]!;
      return low <= empirical && empirical <= high;
    });
    expect(covered.length).toBeGreaterThanOrEqual(8);
  });

  it.each([
    'country=FR&structure=frame-wood',
    'country=XX',
    'country=other',
    'use=office',
    'scope=A1-A5',
    'rsp=50',
    'glazingArea=0.1',
  ])('has nothing released for %s', async (query) => {
    const { status, percentiles, reason } = await answer(`/v1/benchmarks?${query}`, BenchmarkAnswer);
    expect([status, percentiles]).toEqual(['not_released', []]);
    expect(reason).toBeTruthy();
  });

  it.each([
    ['/v1/benchmarks?nation=FR', 'unknown query parameter "nation"'],
    ['/v1/benchmarks?country=FR&country=BE', '"country" is given twice'],
  ])('refuses %s and says why', async (path, detail) => {
    expect(await problem(path)).toMatchObject({ status: 400, detail: expect.stringContaining(detail) });
  });

  it('positions a building by its features, and one whose intensity is known', async () => {
    const attributes = { country: 'fr', structureType: 'Massive brick', gfaM2: 180, userCount: null };
    const predicted = await answer('/v1/position', PositionAnswer, { body: { attributes } });
    const [lo, hi] = example.plan.recipe.yRange;
    expect(predicted.intensity).toBe(predicted.predictedIntensity);
    expect(predicted.intensity >= lo && predicted.intensity <= hi).toBe(true);
    const low = await answer('/v1/position', PositionAnswer, { body: { attributes, intensity: lo } });
    const high = await answer('/v1/position', PositionAnswer, { body: { attributes, intensity: hi } });
    expect(low.predictedIntensity).toBe(predicted.predictedIntensity);
    expect([low.position?.band, high.position?.band]).toEqual(['green', 'red']);
  });

  it.each([
    [{ attributes: { colour: 'red' } }, 'unknown attribute "colour"'],
    [{ attributes: { gfaM2: -5 } }, 'gfaM2 is -5'],
    [{ attributes: { country: 7 } }, 'country is 7'],
    [{ building: 1 }, 'attributes'],
    [{ attributes: { ['__proto__']: 'x' } }, 'unknown attribute "__proto__"'],
  ])('refuses to position %j', async (body, detail) => {
    expect(await problem('/v1/position', { body })).toMatchObject({
      status: 400,
      detail: expect.stringContaining(detail),
    });
  });

  it('shows every model with its weights, whose digest is of the published bytes', async () => {
    const { models } = await answer('/v1/models', ModelsAnswer);
    expect(models.map(({ rounds }) => rounds)).toEqual([1, 2, 3]);
    const latest = await answer('/v1/models/latest', ModelAnswer);
    expect(latest).toEqual(await answer(`/v1/models/${String(models[2]!.version)}`, ModelAnswer));
    expect(latest.weights).toHaveLength(latest.labels.length);
    const header = Buffer.from([1, latest.weights.length, 0, 0, 0]);
    const bytes = Buffer.concat([header, Buffer.from(new Float64Array(latest.weights).buffer)]);
    expect(toHex(sha256(bytes))).toBe(latest.digest);
    for (const version of ['0', '99', '-1', '1.5', 'x', '1e0']) {
      expect(await problem(`/v1/models/${version}`)).toMatchObject({ status: 404 });
    }
  });

  it('shows the rounds, the federation and the head of the ledger', async () => {
    const { rounds } = await answer('/v1/rounds', RoundsAnswer);
    expect(rounds.map(({ purpose }) => purpose)).toEqual(['model', 'model', 'model', 'benchmarks']);
    expect(await answer('/v1/rounds/2', RoundAnswer)).toMatchObject(rounds[1]!);
    expect(await problem('/v1/rounds/5')).toMatchObject({ status: 404 });
    expect(await answer('/v1/federation', FederationAnswer)).toMatchObject({ status: 'completed', releasedRounds: 3 });
    const { checkpoint, size, origin, provenance } = await answer('/v1/ledger', LedgerAnswer);
    expect(checkpoint?.split('\n')[0]).toBe(origin);
    // The refusal came after the last checkpoint.
    expect(Number(checkpoint?.split('\n')[1])).toBe(size - 1);
    expect(provenance.ledger.size).toBe(size);
  });

  it('shows budgets by role, as the accountant composes the charged events', async () => {
    const { recipe, benchmarks, privacy } = example.plan;
    const spent = epsilonOf([{ ...recipe.event, steps: 3 }, benchmarks.event], privacy.delta).epsilon;
    const all = await answer('/v1/federation/budget', BudgetAnswer, { role: 'operator' });
    expect(all.epsilonSpentMax).toBe(spent);
    expect(all.provenance.epsilon).toBe(spent);
    expect(all.dataSets.map(({ holder, charges, refusals }) => [holder, charges, refusals])).toEqual([
      ...[['alder', 4, 1]],
      ...[
        ['birch', 4, 0],
        ['cedar', 4, 0],
        ['dogwood', 4, 0],
      ],
    ]);
    expect((await answer('/v1/federation/budget', BudgetAnswer, { role: 'auditor' })).dataSets).toEqual(all.dataSets);
    const own = await answer('/v1/federation/budget', BudgetAnswer, { role: 'holder' });
    expect(own.dataSets).toEqual(all.dataSets.slice(0, 1));
    const largest = await answer('/v1/federation/budget', BudgetAnswer);
    expect([largest.dataSets, largest.epsilonSpentMax]).toEqual([[], spent]);
  });

  it('exports the ledger as far as it is signed, without the late refusal, to auditors and operators', async () => {
    const ledger = new LedgerRepository(example.database.session);
    const size = (await ledger.latestCheckpoint())?.size ?? 0;
    const entries = [];
    for await (const entry of ledger.entries(0, size)) entries.push(entry);
    expect((await ledger.head()).size).toBe(size + 1);
    const { origin } = await answer('/v1/ledger', LedgerAnswer);
    const expected = [...exportLines(origin, entries, await ledger.checkpoints()), ''].join('\n');
    for (const role of ['auditor', 'operator'] as const)
      expect(await (await ask('/v1/ledger/export', { role })).text()).toBe(expected);
    for (const role of ['analyst', 'holder'] as const)
      expect(await problem('/v1/ledger/export', { role })).toMatchObject({ status: 403 });
  });

  it('answers 304 until the ledger moves on', async () => {
    const etag = (await ask('/v1/benchmarks')).headers.get('etag') ?? '';
    const again = (tag: string) => ask('/v1/benchmarks', { headers: { 'if-none-match': tag } });
    const unchanged = await again(`"other", W/${etag}`);
    expect([unchanged.status, await unchanged.text(), unchanged.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await again('"other"')).status).toBe(200);
    const before = await ledgerSize();
    await example.open('model');
    await signal();
    await eventually(async () => (await ledgerSize()) > before);
    expect((await again(etag)).status).toBe(200);
  });

  it('says everywhere that the stock is simulated', async () => {
    const data = { kind: 'simulated', seed: 1 };
    for (const [path, schema] of [
      ['/v1/benchmarks', BenchmarkAnswer],
      ['/v1/models', ModelsAnswer],
      ['/v1/rounds', RoundsAnswer],
      ['/v1/ledger', LedgerAnswer],
      ['/v1/federation', FederationAnswer],
      ['/v1/federation/budget', BudgetAnswer],
    ] as const) {
      const { provenance } = await answer<{ provenance: Provenance }>(path, schema);
      expect([path, provenance.data]).toEqual([path, data]);
    }
    expect(await (await ask('/')).text()).toContain('<strong>The records are simulated</strong> (seed 1)');
  });

  it('needs a known key, for answers only', async () => {
    for (const authorization of [
      '',
      'Bearer',
      'Bearer fc_unknown',
      `Basic ${EXAMPLE_KEYS.analyst}`,
      EXAMPLE_KEYS.analyst,
    ]) {
      const headers = { authorization };
      expect(await problem('/v1/models', { headers })).toMatchObject({ status: 401 });
      expect((await ask('/v1/models', { headers })).headers.get('www-authenticate')).toMatch(/^Bearer/);
      for (const path of [
        '/',
        '/docs',
        '/docs/start.js',
        '/docs/swagger-ui.css',
        '/openapi.json',
        '/healthz',
        '/readyz',
      ]) {
        expect([path, (await ask(path, { headers })).status]).toEqual([path, 200]);
      }
    }
    expect(await problem(`/v1/models?key=${EXAMPLE_KEYS.analyst}`, { headers: { authorization: '' } })).toMatchObject({
      status: 401,
    });
    expect(await problem('/docs/package.json')).toMatchObject({ status: 404 });
  });

  it('serves what its description lists', async () => {
    const { paths } = (await (await ask('/openapi.json')).json()) as { paths: Record<string, object> };
    const listed = Object.entries(paths).filter(([, operations]) => 'get' in operations);
    expect(listed).toHaveLength(9);
    for (const [path] of listed) {
      const filled = path.replace('{version}', 'latest').replace('{n}', '1');
      expect([path, (await ask(filled, { role: 'operator' })).status]).toEqual([path, 200]);
    }
  });

  it('never fails on any query, path or body, and explains every refusal', async () => {
    const known = fc.constantFrom('use', 'country', 'structure', 'subtype', 'scope', '__proto__', 'constructor');
    const query = fc
      .array(fc.tuple(fc.oneof(known, fc.string({ unit: 'grapheme' })), fc.string({ unit: 'grapheme' })), {
        maxLength: 4,
      })
      .map((pairs) => `/v1/benchmarks?${pairs.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')}`);
    const rawPath = fc
      .tuple(
        fc.constantFrom('/v1/models/', '/v1/rounds/', '/v1/benchmarks?', '/docs/', '/v1/'),
        fc.stringMatching(/^[!-~]{0,12}$/),
      )
      .map((parts) => parts.join('').replaceAll('#', '%'));
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record({
        attributes: fc.dictionary(
          fc.constantFrom('country', 'useSubtype', 'structureType', 'mainMaterial', 'gfaM2', 'userCount', '__proto__'),
          fc.oneof(fc.string(), fc.double(), fc.constant(null)),
        ),
        intensity: fc.oneof(fc.double(), fc.constant(1)),
      }),
    );
    const check = async (response: Response) => {
      expect(response.status).toBeLessThan(500);
      if (response.status < 400) return void (await response.arrayBuffer());
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(((await response.json()) as { status: number }).status).toBe(response.status);
    };
    await fc.assert(
      fc.asyncProperty(query, async (path) => check(await ask(path))),
      { numRuns: 150 },
    );
    await fc.assert(
      fc.asyncProperty(rawPath, async (path) => check(await ask(path))),
      { numRuns: 150 },
    );
    await fc.assert(
      fc.asyncProperty(body, async (value) => check(await ask('/v1/position', { body: value }))),
      { numRuns: 150 },
    );
    for (const text of ['', '{', 'null', '[]', '\u0000', 'x'.repeat(200_000)]) {
      const headers = { authorization: `Bearer ${EXAMPLE_KEYS.analyst}`, 'content-type': 'application/json' };
      await check(await fetch(`${service.url}/v1/position`, { method: 'POST', headers, body: text }));
    }
    expect(logged.join('')).not.toMatch(/"level":"(error|fatal)"/);
  }, 60_000);

  it('keeps keys and buildings out of its log', () => {
    for (const key of Object.values(EXAMPLE_KEYS)) expect(logged.join('')).not.toContain(key);
    expect(logged.join('')).not.toContain('Massive brick');
  });

  it('answers on while Postgres is down, and says so in /readyz', async () => {
    const before = await (await ask('/v1/benchmarks')).text();
    await postgres.kill9();
    expect(await (await ask('/v1/benchmarks')).text()).toBe(before);
    expect(await answer('/v1/position', PositionAnswer, { body: { attributes: {} } })).toMatchObject({
      unit: 'kgCO2e/m2/yr',
    });
    expect(await problem('/readyz')).toMatchObject({ status: 503, detail: expect.stringContaining('database') });
    expect(await problem('/v1/ledger/export', { role: 'auditor' })).toMatchObject({ status: 503 });
    expect((await ask('/healthz')).status).toBe(200);
    await postgres.restart();
    await eventually(async () => (await ask('/readyz')).status === 200);
    // And takes up what happened since.
    await example.end();
    const { size } = await new LedgerRepository(example.database.session).head();
    await eventually(async () => (await ledgerSize()) === size);
  }, 60_000);
});
