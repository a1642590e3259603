import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRunning } from '@fedcarbon/service';
import { freePort } from '@fedcarbon/stack';
import { eventually, Installation } from './command.support.ts';
import type { Report } from './report.ts';

/*
 * Every process of a running federation is killed with SIGKILL, while the supervisor keeps them alive. Under trust `distributed` a round has four stages
 * (updates, consent to the survivors, answers, the next round's opening), and those that have a part in all of them are killed several times, at moments
 * spread over a round; the first ones while the secure sum is being set up.
 *
 * Failure: the run does not end with exit code 0; a round is missing; the ledger does not verify; a holder is above its budget; two digests are committed
 * under one (holder, round, attempt); a digest is charged twice. Not a failure: a round that misses holders, or one that is abandoned and made up for by a
 * spare round (a killed holder may come back after the deadline).
 */
const EVERYBODY = [
  'global-aggregator',
  'privacy-accountant',
  'regional-aggregator-1',
  'client-trainer-2',
  'nats-server',
  'postgres',
  'benchmark-api',
];
const IN_EVERY_STAGE = ['global-aggregator', 'client-trainer-1', 'regional-aggregator-2'];
/** Kills of the same process are this much further into a round each time. */
const STEP_MS = 150;

/** Waits are drawn from this seed: set FAULT_SEED to repeat a run's. */
const SEED = process.env['FAULT_SEED'] ?? randomBytes(4).toString('hex');
process.stderr.write(`faults: FAULT_SEED=${SEED}\n`);

/** Uniform on [0, 1). */
const draw = (what: string) => createHash('sha256').update(`${SEED} ${what}`).digest().readUInt32BE() / 2 ** 32;

interface Kill {
  readonly victim: string;
  readonly afterMs: number;
}

const FAULTS = {
  local: { setUp: [], kills: EVERYBODY.map((victim): Kill => ({ victim, afterMs: draw(victim) * STEP_MS })) },
  distributed: {
    setUp: ['client-trainer-3', 'global-aggregator'],
    kills: [
      ...EVERYBODY.map((victim): Kill => ({ victim, afterMs: draw(victim) * STEP_MS })),
      ...[0, 1, 2, 3].flatMap((stage) =>
        IN_EVERY_STAGE.map((victim): Kill => ({
          victim,
          afterMs: (stage + draw(`${victim} in stage ${String(stage)}`)) * STEP_MS,
        })),
      ),
    ],
  },
} as const;

describe('kill -9 of every process in turn', () => {
  let installation: Installation;
  beforeEach(() => {
    installation = new Installation();
  });
  afterEach(() => installation.dispose());

  it.each(['local', 'distributed'] as const)(
    'under trust %s loses no round, charges nothing twice, and leaves a ledger that verifies',
    async (trust) => {
      const { setUp, kills } = FAULTS[trust];
      const reportFile = join(installation.folder, 'report.json');
      const rounds = kills.length + 3;
      const plan = installation.planFile(trust);
      const options = ['--plan', plan, '--rounds', String(rounds), '--exit', '--port', '0', '--report', reportFile];
      const run = installation.start(['start', ...options]);
      let ended = false;
      void run.finished.then(() => (ended = true));
      const closedRounds = () => run.output().match(/^round \d+ /gm)?.length ?? 0;
      const kill = async (victim: string) => {
        let pid: number | undefined;
        // A process may be on its way up just then, and end by itself because another victim is not there yet.
        await eventually(
          `${victim} is killed`,
          () => {
            pid = installation.pidOf(victim);
            return ended || killed(pid);
          },
          run.output,
        );
        const back = () => ended || ![undefined, pid].includes(installation.pidOf(victim));
        await eventually(`${victim} is back`, back, run.output);
      };

      await eventually('the processes are up', () => ended || run.output().includes('processes are up'), run.output);
      for (const victim of setUp) await kill(victim);
      for (const { victim, afterMs } of kills) {
        const before = closedRounds();
        const closed = () => ended || closedRounds() > before;
        await eventually(`a round closed before ${victim} is killed`, closed, run.output);
        if (ended) break;
        await pause(afterMs);
        await kill(victim);
      }

      const { code, output } = await run.finished;
      if (code !== 0) throw new Error(output);
      for (const victim of [...setUp, ...kills.map((planned) => planned.victim)]) {
        expect(output).toContain(`${victim} ended and is started again`);
      }
      const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
      expect([report.trust, report.rounds, report.ledger.verified]).toEqual([trust, rounds, true]);
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
    },
    900_000,
  );
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
    await eventually('two rounds', () => /^round 2 /m.test(first.output()), first.output);
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

/** Whether there was such a process. */
function killed(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
