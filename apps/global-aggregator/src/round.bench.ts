import type { ByteCounts } from '@fedcarbon/contracts';
import { Trials, type TrialServers } from './trial.support.ts';

export interface RoundFigures {
  readonly clients: number;
  readonly rounds: number;
  /** Of the first two rounds, per client. */
  readonly bytes: readonly ByteCounts[];
  /** From the opening of a round to its close: everything between global tier, regions, accountant's tables and clients, no training. */
  readonly millis: { readonly median: number; readonly p95: number; readonly all: readonly number[] };
}

/** Measures the coordination of rounds with scripted clients that answer at once: real services, broker (flushing to disk) and database (leave fsync on). */
export async function benchRounds(
  servers: TrialServers,
  { rounds = 20, minSurvivors }: { readonly rounds?: number; readonly minSurvivors?: number } = {},
): Promise<RoundFigures> {
  const trials = new Trials(servers);
  try {
    const trial = await trials.begin({
      regions: { france: 5, belgium: 5, central: 5, nordic: 5 },
      rounds,
      spareRounds: 0,
      // Masked updates: trust `distributed`.
      ...(minSurvivors === undefined ? {} : { minSurvivors, quorum: minSurvivors }),
      binsPerFeature: [8, 8, 6, 10, 5, 6, 7, 8, 12, 4],
    });
    const reply = await trial.requestStart();
    if (reply.kind !== 'started') throw new Error(`not started: ${reply.message}`);
    await trial.completed();
    const closed = await trial.rounds();
    const all = closed.map(({ openedAtMs, closedAtMs = NaN }) => closedAtMs - openedAtMs);
    const sorted = [...all].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
    return {
      clients: trial.holders.length,
      rounds: all.length,
      // The first round also counts the exchange of keys.
      bytes: closed.slice(0, 2).map(({ bytesUp = NaN, bytesDown = NaN }) => ({
        up: Math.round(bytesUp / trial.holders.length),
        down: Math.round(bytesDown / trial.holders.length),
      })),
      millis: { median: at(0.5), p95: at(0.95), all },
    };
  } finally {
    await trials.end();
  }
}
