import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BenchmarkAnswer, PositionAnswer } from '@fedcarbon/contracts';
import { eventually, Installation, type Outcome } from './command.support.ts';
import type { Report } from './report.ts';

const TRAINING_TIMEOUT_MS = 180_000;

describe('a federation from one command, under a secure sum', () => {
  const installation = new Installation();
  const plan = installation.planFile('distributed');
  const reportFile = join(installation.folder, 'report.json');
  const ledgerFile = join(installation.home, 'logs/ecebd-20.ledger.jsonl');
  let outcome: Outcome;
  let report: Report;
  let checkpointKey: string;

  beforeAll(async () => {
    const options = ['--plan', plan, '--rounds', '4', '--exit', '--port', '0', '--report', reportFile];
    outcome = await installation.run(['start', ...options]);
    if (outcome.code !== 0) throw new Error(outcome.output);
    report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
    const resolved = JSON.parse(readFileSync(join(installation.home, 'plans/ecebd-20/plan.json'), 'utf8')) as {
      keys: { checkpoint: string };
    };
    checkpointKey = resolved.keys.checkpoint;
  }, TRAINING_TIMEOUT_MS);
  afterAll(() => installation.dispose());

  it('trains with all holders, within the budget, and reports it', () => {
    expect(report).toMatchObject({
      plan: { name: 'ecebd-20' },
      clients: 20,
      regions: 4,
      trust: 'distributed',
      adjacency: 'add-or-remove-one-record',
      rounds: 4,
      delta: 1e-5,
    });
    expect(report.epsilon.spentMax).toBeLessThanOrEqual(report.epsilon.budget);
    // Two spare rounds of six paid-for ones are left.
    expect(report.epsilon.spentMax).toBeGreaterThan(0.8 * report.epsilon.budget);
    expect(report.mechanism.map(({ purpose, times }) => [purpose, times])).toEqual([
      ['model', 4],
      ['benchmarks', 1],
    ]);
    expect(Number.isFinite(report.metrics.r2)).toBe(true);
    expect(report.bytes.up).toBeGreaterThan(20 * 5 * 100);
    expect(report.assumption).toMatch(/^At least 14 honest holders add their share of the noise/);
  });

  it('says on every line what it is, without a terminal', () => {
    for (const index of [1, 2, 3, 4])
      expect(outcome.output).toMatch(new RegExp(`round ${String(index)} model, 20/20 holders`));
    expect(outcome.output).toMatch(/round 5 benchmarks, 20\/20 holders/);
    expect(outcome.output).toMatch(/this figure exists only because the federation is a simulation/);
    expect(outcome.output.match(/round \d model, .*R2 -?\d.*\(simulation only\)/g)).toHaveLength(4);
    expect(outcome.output.indexOf('it exists only because this is a simulation')).toBeLessThan(
      outcome.output.indexOf('round 1 model'),
    );
    if (report.dataset.simulated) expect(outcome.output).toMatch(/SIMULATED/);
  });

  it('leaves nothing running', async () => {
    expect(await installation.leftovers()).toEqual([]);
  });

  it('keeps everything in its home, which others may pass through but not read', () => {
    expect(installation.postgresData).toBe(join(installation.home, 'postgres'));
    expect(existsSync(join(installation.postgresData, 'PG_VERSION'))).toBe(true);
    const mode = (name: string) => (statSync(join(installation.home, name)).mode & 0o777).toString(8);
    expect(mode('.')).toBe('711');
    const open = readdirSync(installation.home).filter((name) => !['600', '700'].includes(mode(name)));
    expect(open).toEqual([]);
  });

  it('leaves a ledger that an auditor can verify, and in which a change is found', async () => {
    expect(report.ledger.verified).toBe(true);
    const verify = (file: string, key = checkpointKey) => installation.run(['ledger', 'verify', file, `--key=${key}`]);
    const sound = await verify(ledgerFile);
    expect([sound.code, sound.output]).toEqual([0, expect.stringMatching(/^sound: \d+ entries/m)]);

    const lines = readFileSync(ledgerFile, 'utf8').trim().split('\n');
    const entry = lines.findIndex((line) => line.includes('"body"'));
    const tampered = join(installation.folder, 'tampered.jsonl');
    const body = JSON.parse(lines[entry + 30]!) as { body: string };
    const changed = Buffer.from(body.body, 'base64url')
      .toString()
      .replace(/"attempt":1/, '"attempt":2')
      .replace(/"index":1/, '"index":2');
    lines[entry + 30] = JSON.stringify({ ...body, body: Buffer.from(changed).toString('base64url') });
    writeFileSync(tampered, lines.join('\n'));
    const found = await verify(tampered);
    expect([found.code, found.output]).toEqual([1, expect.stringMatching(/^tampered[\s\S]*entry 30: /m)]);

    const cut = join(installation.folder, 'cut.jsonl');
    writeFileSync(cut, readFileSync(ledgerFile, 'utf8').trim().split('\n').slice(0, 60).join('\n'));
    expect((await verify(cut)).code).toBe(2);
    expect((await verify(ledgerFile, 'A'.repeat(43))).code).toBe(1);
  }, 60_000);

  it('goes on where it was: a second start trains nothing again, charges nothing, and serves until it is stopped', async () => {
    const again = installation.start(['start', '--plan', plan, '--rounds', '4', '--port', '0']);
    await eventually('serving', () => again.output().includes('serving until Ctrl-C'), again.output);
    const apiUrl = installation.runFile()!.apiUrl!;
    const key = /analyst +key (\S+)/.exec(again.output())![1]!;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };

    const benchmarks = BenchmarkAnswer.parse(
      await (await fetch(`${apiUrl}/v1/benchmarks?use=residential`, { headers })).json(),
    );
    expect(benchmarks.percentiles).toHaveLength(9);
    expect(benchmarks.provenance).toMatchObject({
      trust: 'distributed',
      assumption: report.assumption,
      epsilon: report.epsilon.spentMax,
      modelVersion: report.model.version,
    });
    const unreleased = await fetch(`${apiUrl}/v1/benchmarks?use=residential&country=FR&structure=frame-wood`, {
      headers,
    });
    expect(BenchmarkAnswer.parse(await unreleased.json()).status).toBe('not_released');
    const building = {
      attributes: { country: 'FR', useSubtype: 'multi-family-house', structureType: 'massive-concrete', gfaM2: 1200 },
    };
    const position = await fetch(`${apiUrl}/v1/position`, { method: 'POST', headers, body: JSON.stringify(building) });
    expect(PositionAnswer.parse(await position.json()).predictedIntensity).toBeGreaterThan(2);
    expect((await fetch(`${apiUrl}/v1/benchmarks`)).status).toBe(401);
    // A holder asks its own trainer instead, without a key: the published model, and its own correction of it.
    const trainer = JSON.parse(
      readFileSync(join(installation.home, 'plans/ecebd-20/client-trainer-1.json'), 'utf8'),
    ) as { http: { host: string; port: number }; holders: { holder: string }[] };
    const own = await fetch(
      `http://${trainer.http.host}:${String(trainer.http.port)}/v1/holders/${trainer.holders[0]!.holder}/position`,
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(building) },
    );
    expect(trainer.http.host).toBe('127.0.0.1');
    expect(await own.json()).toMatchObject({
      federation: { modelDigest: report.model.digest },
      onDevice: { version: 1, predictedIntensity: expect.any(Number) as unknown },
    });

    again.child.kill('SIGINT');
    const { code, output } = await again.finished;
    expect(code).toBe(0);
    expect(output).toContain(report.model.digest.slice(0, 16));
    expect(await installation.leftovers()).toEqual([]);
  }, 120_000);

  it(
    'refuses what the budget does not allow: a further plan on the same data set is charged to the same history',
    async () => {
      const more = join(installation.folder, 'more.json');
      const options = ['--plan', plan, '--rounds', '3', '--exit', '--port', '0', '--report', more];
      const outcomeOfMore = await installation.run(['start', ...options]);
      if (outcomeOfMore.code !== 0) throw new Error(outcomeOfMore.output);
      const second = JSON.parse(readFileSync(more, 'utf8')) as Report;
      // The first plan left its two spare rounds: enough for one round of this plan, not for two.
      expect(second.rounds).toBe(1);
      expect(outcomeOfMore.output).toMatch(/round 2 model abandoned/);
      expect(outcomeOfMore.output).toMatch(/ended early after 1 of 3 rounds/);
      expect(second.epsilon.spentMax).toBeGreaterThan(report.epsilon.spentMax);
      expect(second.epsilon.spentMax).toBeLessThanOrEqual(second.epsilon.budget);
      expect(second.ledger.size).toBeGreaterThan(report.ledger.size);
      expect(second.ledger.verified).toBe(true);
    },
    TRAINING_TIMEOUT_MS,
  );
});

describe('a federation under trust local', () => {
  const installation = new Installation();
  afterAll(() => installation.dispose());

  it(
    'trains with the whole noise of every holder, within the budget, and says so',
    async () => {
      const reportFile = join(installation.folder, 'report.json');
      const plan = installation.planFile('local');
      const options = ['--plan', plan, '--rounds', '2', '--exit', '--port', '0', '--report', reportFile];
      const { code, output } = await installation.run(['start', ...options]);
      if (code !== 0) throw new Error(output);
      const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
      expect(report).toMatchObject({ trust: 'local', rounds: 2, clients: 20, ledger: { verified: true } });
      expect(report.assumption).toMatch(/^Every holder adds the full noise itself/);
      expect(report.epsilon.spentMax).toBeLessThanOrEqual(report.epsilon.budget);
      expect(output).toMatch(/round 3 benchmarks, 20\/20 holders/);
    },
    TRAINING_TIMEOUT_MS,
  );
});

describe('a federation with two servers', () => {
  const installation = new Installation();
  afterAll(() => installation.dispose());

  it(
    'trains with a helper of its own process, which is killed and remembers its answers',
    async () => {
      const plan = installation.planFile('two-servers');
      const reportFile = join(installation.folder, 'report.json');
      const options = ['--plan', plan, '--rounds', '3', '--exit', '--port', '0', '--report', reportFile];
      const run = installation.start(['start', ...options]);
      await eventually('round 1', () => /^round 1 /m.test(run.output()), run.output);
      process.kill(installation.pidOf('sum-helper')!, 'SIGKILL');
      const { code, output } = await run.finished;
      if (code !== 0) throw new Error(output);
      expect(output).toContain('sum-helper ended and is started again');
      const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
      expect([report.trust, report.rounds, report.ledger.verified]).toEqual(['distributed', 3, true]);
      expect(report.assumption).toMatch(/the two servers do not collude/);
      expect(report.epsilon.spentMax).toBeLessThanOrEqual(report.epsilon.budget);
      const [facts, ...others] = readdirSync(join(installation.home, 'sum-helper'));
      expect(others).toEqual([]);
      // Whose they are, and one answer for each round that was opened.
      const lines = readFileSync(join(installation.home, 'sum-helper', facts!), 'utf8')
        .split('\n')
        .slice(0, -1);
      expect(lines.length).toBeGreaterThanOrEqual(1 + 3 + 1);
      expect(await installation.leftovers()).toEqual([]);
    },
    TRAINING_TIMEOUT_MS,
  );
});

describe('a start that cannot go well ends in one sentence', () => {
  const installation = new Installation();
  afterAll(() => installation.dispose());

  const lastLines = (text: string) => text.trim().split('\n').at(-1) ?? '';
  const planWith = (change: (text: string) => string) => installation.planFile('distributed', change);

  it.each([
    ['a plan that does not exist', ['--plan', 'nowhere'], /there is no plan/],
    ['an unknown option', ['--epsilon', '2'], /--epsilon/],
    ['a report that is a folder', ['--report', import.meta.dirname], /--report .*the file cannot be written/],
    ['a report in a folder that does not exist', ['--report', '/nonexistent/r.json'], /the folder does not exist/],
  ])(
    '%s',
    async (_what, args, message) => {
      const { code, output } = await installation.run(['start', ...args]);
      expect(code).not.toBe(0);
      expect(lastLines(output)).toMatch(message);
      expect(output).not.toMatch(/\n\s+at /);
    },
    30_000,
  );

  it.each([
    ['an unknown key', (text: string) => `${text}\nspeling: 1\n`, /speling/],
    ['a negative epsilon', (text: string) => text.replace('epsilon: 1', 'epsilon: -1'), /privacy\.epsilon/],
    ['a delta of 1/N', (text: string) => text.replace('delta: 1.0e-5', 'delta: 0.1'), /privacy\.delta/],
    ['overlapping regions', (text: string) => text.replace('[DK, FI]', '[DK, FR]'), /FR/],
    [
      'a feature that does not exist',
      (text: string) => text.replace('featureSchema:', 'features: [colour]\n  featureSchema:'),
      /colour/,
    ],
    ['text that is not YAML', () => 'a: [1', /not YAML/],
    ['noise shares without a secure sum', (text: string) => text.replace(/^secureSum:.*$/m, ''), /secureSum/],
    [
      'a secure sum under trust local',
      (text: string) => text.replace('trust: distributed', 'trust: local'),
      /secureSum/,
    ],
    [
      'fewer survivors than it takes',
      (text: string) => text.replace('minSurvivors: 14', 'minSurvivors: 13'),
      /minSurvivors/,
    ],
    [
      'a protocol that no service has',
      (text: string) => text.replace('double-masking', 'three-servers'),
      /secureSum\.protocol/,
    ],
  ])(
    'a plan with %s',
    async (_what, change, message) => {
      const { code, output } = await installation.run(['start', '--plan', planWith(change)]);
      expect(code).toBe(1);
      expect(lastLines(output)).toMatch(message);
    },
    30_000,
  );

  it('a port in use', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const { code, output } = await installation.run(['start', '--port', String(port)]);
    await new Promise((done) => server.close(done));
    expect(code).toBe(1);
    expect(lastLines(output)).toMatch(new RegExp(`Port ${String(port)}, wanted for the API, is already in use`));
  }, 30_000);

  it('a database that is not there', async () => {
    const { code, output } = await installation.run(['start', '--port', '0', '--exit'], {
      DATABASE_URL: 'postgresql://nobody:hidden-secret@127.0.0.1:1/none',
    });
    expect(code).toBe(1);
    expect(lastLines(output)).toMatch(/database/);
    expect(output).not.toContain('hidden-secret');
  }, 60_000);

  it('a data file that is not the published one', async () => {
    mkdirSync(join(installation.folder, 'data/ecebd'), { recursive: true });
    writeFileSync(join(installation.folder, 'data/ecebd/EU-ECB_dataset_feature_engineered.csv'), 'site_country\nFR\n');
    const { code, output } = await installation.run(['start', '--port', '0'], {
      FEDCARBON_DATA_DIR: join(installation.folder, 'data'),
    });
    expect(code).toBe(1);
    expect(lastLines(output)).toMatch(/a2f08fc4683c62f2558b820445707ac7e1e6227cdf4e2a04f2c73a38b1b67bd4/);
  }, 30_000);

  it('a question to an installation that is not there, which makes none', async () => {
    const nowhere = new Installation();
    for (const args of [['keys'], ['ledger', 'export', join(nowhere.folder, 'ledger.jsonl')]]) {
      const { code, output } = await nowhere.run(args);
      expect([code, lastLines(output)]).toEqual([1, expect.stringMatching(/^no installation here: /)]);
    }
    expect(readdirSync(nowhere.folder)).toEqual([]);
    await nowhere.dispose();
  }, 30_000);

  it('two at once in one folder: the second refuses, and the first goes on', async () => {
    const first = installation.npmStart(['--rounds', '1', '--port', '0']);
    await eventually('serving', () => first.output().includes('serving until Ctrl-C'), first.output);
    const { apiUrl, processes } = installation.runFile()!;
    for (const more of [[], ['--fresh']]) {
      const { code, output } = await installation.run(['start', '--port', new URL(apiUrl!).port, ...more]);
      expect(code).toBe(1);
      expect(lastLines(output)).toMatch(/a federation is running already/);
    }
    expect(installation.runFile()).toMatchObject({ apiUrl, processes });
    expect((await fetch(`${apiUrl!}/readyz`)).status).toBe(200);
    expect(first.output()).not.toMatch(/started again/);

    // npm passes the signal on, or ends alone: either way nothing may be left. Repeating it changes nothing.
    for (const _ of [1, 2, 3]) first.child.kill('SIGTERM');
    await first.finished;
    expect(await installation.leftovers()).toEqual([]);
    expect(installation.runFile()).toBeUndefined();
  }, 180_000);

  it('a database without its password, and earlier runs without their database', async () => {
    const credentials = join(installation.home, 'credentials.json');
    const start = () => installation.run(['start', '--port', '0', '--exit']);
    renameSync(credentials, `${credentials}.away`);
    const noPassword = await start();
    expect([noPassword.code, lastLines(noPassword.output)]).toEqual([
      1,
      expect.stringMatching(/has lost its password.*--fresh/),
    ]);
    renameSync(`${credentials}.away`, credentials);

    renameSync(installation.postgresData, `${installation.postgresData}.away`);
    const noData = await start();
    expect([noData.code, lastLines(noData.output)]).toEqual([
      1,
      expect.stringMatching(/their database is not in.*--fresh/),
    ]);
    renameSync(`${installation.postgresData}.away`, installation.postgresData);
  }, 60_000);

  it('is stopped in order by an impatient Ctrl-C, and says which budgets a stricter plan lowers', async () => {
    const plan = planWith((text) => text.replace('epsilon: 1', 'epsilon: 0.5'));
    const run = installation.start(['start', '--plan', plan, '--port', '0']);
    await eventually('a warning', () => /budgets of 20 data sets are lowered for good/.test(run.output()), run.output);
    await eventually('services', () => installation.pidOf('client-trainer-1') !== undefined, run.output);
    for (let repeat = 0; repeat < 5; repeat++) {
      run.child.kill('SIGINT');
      await pause(20);
    }
    const { code, output } = await run.finished;
    expect(code).toBe(0);
    expect(output.match(/stopping what was started/g)).toHaveLength(1);
    expect(await installation.leftovers()).toEqual([]);
    expect(installation.runFile()).toBeUndefined();
  }, 90_000);
});
