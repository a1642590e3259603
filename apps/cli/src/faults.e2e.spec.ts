import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import { freePort, isRunning } from '@fedcarbon/stack';
import { eventually, Installation } from './command.support.ts';
import type { Report } from './report.ts';

/*
 * Every process of a running federation is killed with SIGKILL once, in a round of its own, while the supervisor keeps them alive.
 *
 * Failure: the run does not end with exit code 0; a round is missing; the ledger does not verify; a holder is above its budget; two digests are committed
 * under one (holder, round, attempt); a digest is charged twice. Not a failure: a round that misses holders, or one that is abandoned and made up for by a
 * spare round (a killed holder may come back after the deadline).
 */
const VICTIMS = [
  'global-aggregator',
  'privacy-accountant',
  'regional-aggregator-1',
  'client-trainer-2',
  'nats-server',
  'postgres',
  'benchmark-api',
];

/** Waits are drawn from this seed: set FAULT_SEED to repeat a run's. */
const SEED = process.env['FAULT_SEED'] ?? randomBytes(4).toString('hex');
process.stderr.write(`faults: FAULT_SEED=${SEED}\n`);

/** Uniform on [0, 1). */
const draw = (what: string) => createHash('sha256').update(`${SEED} ${what}`).digest().readUInt32BE() / 2 ** 32;

describe('kill -9 of every process in turn', () => {
  const installation = new Installation();
  afterAll(() => installation.dispose());

  it('loses no round, charges nothing twice, and leaves a ledger that verifies', async () => {
    const reportFile = join(installation.folder, 'report.json');
    const rounds = 2 * VICTIMS.length + 2;
    const run = installation.start([
      'start',
      '--rounds',
      String(rounds),
      '--exit',
      '--port',
      '0',
      '--report',
      reportFile,
    ]);
    let ended = false;
    void run.finished.then(() => (ended = true));
    const closedRounds = () => run.output().match(/^round \d+ /gm)?.length ?? 0;

    for (const victim of VICTIMS) {
      const before = closedRounds();
      // Each kill falls somewhere into a round, wherever the round happens to be.
      await eventually(
        `a round closed before ${victim} is killed\n${run.output()}`,
        () => ended || closedRounds() > before,
        60_000,
      );
      if (ended) break;
      await pause(150 * draw(victim));
      const pid = installation.pidOf(victim);
      if (pid === undefined) throw new Error(`${victim} does not run`);
      process.kill(pid, 'SIGKILL');
      await eventually(
        `${victim} is back`,
        () => ended || ![undefined, pid].includes(installation.pidOf(victim)),
        30_000,
      );
    }

    const { code, output } = await run.finished;
    if (code !== 0) throw new Error(output);
    for (const victim of VICTIMS) expect(output).toContain(`${victim} ended and is started again`);
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
    expect(report.rounds).toBe(rounds);
    expect(report.ledger.verified).toBe(true);
    expect(report.epsilon.spentMax).toBeLessThanOrEqual(report.epsilon.budget);

    const charges = readFileSync(join(installation.home, 'logs/ecebd-20.ledger.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .flatMap((line) => {
        const { body } = JSON.parse(line) as { body?: string };
        const entry =
          body === undefined
            ? {}
            : (JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, string | number>);
        return entry['kind'] === 'privacy.committed' ? [entry] : [];
      });
    const keys = charges.map(({ holder, roundId, attempt }) => [holder, roundId, attempt].join(' '));
    expect(new Set(keys).size).toBe(keys.length);
    const digests = charges.map(({ updateDigest }) => updateDigest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(await installation.leftovers()).toEqual([]);
  }, 600_000);
});

describe('kill -9 of the supervisor', () => {
  // As below root's own home, where Postgres, which is not root's, has its data elsewhere.
  const installation = new Installation({ closed: true });
  afterAll(() => installation.dispose());

  it('in mid-training: the next start stops what is left, goes on, and completes', async () => {
    const reportFile = join(installation.folder, 'report.json');
    // A port that is asked for by number: what is left of the first run holds it when the second comes.
    const port = String(await freePort());
    const args = ['start', '--rounds', '6', '--exit', '--port', port, '--report', reportFile];
    const first = installation.start(args);
    await eventually('two rounds', () => /^round 2 /m.test(first.output()), 180_000).catch((error: unknown) => {
      throw new Error(first.output(), { cause: error });
    });
    await pause(150 * draw('supervisor'));
    const left = installation.runFile()!;
    first.child.kill('SIGKILL');
    await first.finished;
    expect(await installation.leftovers()).not.toEqual([]);

    const { code, output } = await installation.run(args);
    if (code !== 0) throw new Error(output);
    expect(output).toMatch(/stopping what a killed run left behind: .*postgres/);
    expect(left.processes.filter(({ pid, startedAt }) => isRunning({ pid: pid!, startedAt: startedAt! }))).toEqual([]);
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
    expect(report.rounds).toBe(6);
    expect(report.ledger.verified).toBe(true);
    expect(report.epsilon.spentMax).toBeLessThanOrEqual(report.epsilon.budget);
    expect(await installation.leftovers()).toEqual([]);
    expect(installation.runFile()).toBeUndefined();
  }, 420_000);
});
