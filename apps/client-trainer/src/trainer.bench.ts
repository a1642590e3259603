import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { natsServerConfig } from '@fedcarbon/messaging';
import { testFederation } from './example-federation.support.ts';
import { brokerUsers, FederationBroker } from './federation-broker.support.ts';
import { configure, launch, listening, until } from './trainer-process.support.ts';

export interface TrainerFigures {
  readonly holders: number;
  readonly rounds: number;
  /** All that the process did, from the task's arrival to the receipt in the journal. */
  readonly cpuMillisPerHolderAndRound: number;
  /** From the first task of a round to the last update, all holders at once. */
  readonly millis: { readonly median: number; readonly max: number };
  readonly residentBytes: number;
}

export interface TrainerBench {
  /** Starts a broker with this configuration (`startNats` of @fedcarbon/testing). */
  readonly startBroker: (options: { config: string }) => Promise<{ readonly url: string; stop(): Promise<void> }>;
  /** An empty folder for configuration, data and journals. */
  readonly folder: string;
  readonly rounds?: number;
}

/** Clock ticks of proc(5) are 10 ms on every Linux that Node runs on. */
const TICK_MS = 10;
const SETTLE_MS = 100;

/** Measures one built client-trainer process of five holders on a real broker, with an accountant and a region that answer at once. Linux only. */
export async function benchTrainer({ startBroker, folder, rounds = 25 }: TrainerBench): Promise<TrainerFigures> {
  const holders = ['alder', 'birch', 'cedar', 'doum', 'elder'];
  const federation = testFederation(holders, rounds);
  const nats = await startBroker({ config: natsServerConfig({ users: brokerUsers(federation), syncAlways: true }) });
  const broker = await FederationBroker.connect(federation, nats.url);
  const trainer = launch(configure(folder, federation, { holders, brokerUrl: nats.url }), { built: true });
  try {
    await listening(trainer);
    await pause(10 * SETTLE_MS);
    const { pid = 0 } = trainer.process;
    const before = cpuMillis(pid);
    const millis: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const startedMs = performance.now();
      await Promise.all(holders.map((holder) => broker.task(holder, round)));
      await until(() => broker.digests().length === round * holders.length, trainer.output);
      millis.push(performance.now() - startedMs);
      await pause(SETTLE_MS);
    }
    millis.sort((a, b) => a - b);
    return {
      holders: holders.length,
      rounds,
      cpuMillisPerHolderAndRound: (cpuMillis(pid) - before) / (rounds * holders.length),
      millis: { median: millis[rounds >> 1] ?? NaN, max: millis.at(-1) ?? NaN },
      residentBytes: residentBytes(pid),
    };
  } finally {
    trainer.process.kill('SIGTERM');
    await trainer.ended;
    await broker.close();
    await nats.stop();
  }
}

/** User and system time, fields 14 and 15 of /proc/<pid>/stat. */
function cpuMillis(pid: number): number {
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]) * 1024;
}
