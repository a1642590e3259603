import type { BenchmarkAnswer, RoundSummary } from '@fedcarbon/contracts';
import { Presets, SingleBar } from 'cli-progress';
import type { Report } from './report.ts';
import type { Accuracy } from './simulation.ts';

/** What a finished round means to someone who watches. */
export interface RoundProgress {
  readonly round: RoundSummary;
  readonly members: number;
  readonly epsilon: number;
  readonly epsilonBudget: number;
  readonly accuracy?: Accuracy;
}

const BAR_SIZE = 10;

/** Shows how training goes: a bar on a terminal, plain lines elsewhere. */
export class Progress {
  private bar: SingleBar | undefined;
  private readonly terminal: boolean;
  private readonly write: (line: string) => void;
  private totalRounds = 0;

  constructor(terminal: boolean, write: (line: string) => void) {
    this.terminal = terminal;
    this.write = write;
  }

  start(totalRounds: number): void {
    this.totalRounds = totalRounds;
    if (!this.terminal) return;
    this.bar = new SingleBar(
      // Redrawn also when nothing has changed: a note may have taken its line.
      { format: '{bar} {value}/{total} {line}', barsize: BAR_SIZE, hideCursor: true, forceRedraw: true },
      Presets.shades_classic,
    );
    this.bar.start(totalRounds, 0, { line: 'waiting for the first round' });
  }

  /** A round has closed. */
  closed(progress: RoundProgress): void {
    if (this.bar === undefined) {
      this.write(roundLine(progress));
      return;
    }
    const count = `${String(this.totalRounds)}/${String(this.totalRounds)}`.length;
    const line = barLine(progress, (process.stdout.columns || 80) - BAR_SIZE - count - 3);
    this.bar.update(Math.min(progress.round.index, this.totalRounds), { line });
  }

  /** Something else worth a line, without tearing the bar. */
  note(line: string): void {
    // Takes the bar's line; the bar draws itself again below.
    this.write(this.bar === undefined ? line : `\r\u001B[K${line}`);
  }

  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}

/** A closed round in at most `width` characters: what does not fit is left out, the least important first. */
export function barLine({ round, members, epsilon, epsilonBudget, accuracy }: RoundProgress, width: number): string {
  const parts = [
    { text: round.outcome === 'released' ? '' : round.outcome, rank: 0 },
    { text: `${String(round.participants)}/${String(members)} holders`, rank: 3 },
    { text: `${wholeKilobytes(round.bytes.up)}↑ ${wholeKilobytes(round.bytes.down)}↓ kB`, rank: 4 },
    { text: `eps ${epsilon.toFixed(2)}/${String(epsilonBudget)}`, rank: 2 },
    { text: accuracy === undefined ? '' : `R2 ${accuracy.r2.toFixed(3)} (simulation)`, rank: 1 },
  ].filter(({ text }) => text !== '');
  for (let most = parts.length; ; most--) {
    const line = parts.flatMap(({ text, rank }) => (rank <= most ? [text] : [])).join(', ');
    if (line.length <= width || most <= 0) return line.slice(0, Math.max(0, width));
  }
}

function roundLine({ round, members, epsilon, epsilonBudget, accuracy }: RoundProgress): string {
  const outcome = round.outcome === 'released' ? '' : ` ${round.outcome} (${round.reason ?? ''})`;
  return [
    `round ${String(round.index)} ${round.purpose}${outcome}`,
    `${String(round.participants)}/${String(members)} holders`,
    `${kilobytes(round.bytes.up)} up ${kilobytes(round.bytes.down)} down`,
    `epsilon ${epsilon.toFixed(3)} of ${String(epsilonBudget)}`,
    ...(accuracy === undefined ? [] : [`R2 ${accuracy.r2.toFixed(3)} (simulation only)`]),
    `${String(round.durationMs ?? 0)} ms`,
  ].join(', ');
}

const wholeKilobytes = (bytes: number) => String(Math.ceil(bytes / 1000));
const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;

/** The results as a table for people. */
export function resultLines(report: Report, benchmarks: readonly BenchmarkAnswer[]): string[] {
  const { dataset, metrics, epsilon, plan, ledger, model, mechanism, assumption } = report;
  const lines = [
    '',
    `${plan.name}: ${roundsText(report)}, ${String(report.clients)} holders in ${String(report.regions)} regions, trust ${report.trust}`,
    dataset.simulated
      ? `data          SIMULATED stock (${String(dataset.records)} records): figures say nothing about real buildings`
      : `data          ${dataset.name}, ${String(dataset.records)} records${rejectedText(dataset.rejected)}`,
    `privacy       epsilon ${epsilon.spentMax.toFixed(4)} of ${String(epsilon.budget)} spent at delta ${String(report.delta)} (${report.adjacency})`,
    `              ${assumption}`,
    ...mechanism.map(
      ({ purpose, event, times }) =>
        `              ${purpose}: discrete Gaussian, sigma^2 ${String(event.sigmaSquared)}, L2 sensitivity sqrt(${String(event.sensitivitySquared)}), ${String(times)} releases`,
    ),
    `accuracy      R2 ${metrics.r2.toFixed(3)}, MAE ${metrics.mae.toFixed(2)}, RMSE ${metrics.rmse.toFixed(2)} ${report.unit} on pooled test records`,
    '              (this figure exists only because the federation is a simulation on one machine)',
    `traffic       ${kilobytes(report.bytes.up)} up, ${kilobytes(report.bytes.down)} down, all holders and rounds`,
    `rounds        median ${report.roundMillis.median.toFixed(0)} ms, 95th percentile ${report.roundMillis.p95.toFixed(0)} ms`,
    `model         version ${String(model.version)}, ${model.digest.slice(0, 16)}`,
    `ledger        ${String(ledger.size)} entries, root ${ledger.head.slice(0, 16)}, ${ledger.verified ? 'verified by an independent program' : 'NOT VERIFIED'}`,
    '',
  ];
  const answered = benchmarks.filter(({ percentiles }) => percentiles.some(({ status }) => status === 'ok'));
  for (const answer of answered) lines.push(...benchmarkLines(answer));
  const others = benchmarks.filter((answer) => !answered.includes(answer));
  if (others.length > 0)
    lines.push(`insufficient data (the noise is larger than the answer): ${others.map(segmentName).join('; ')}`);
  return lines;
}

function roundsText({ rounds, plannedRounds }: Report): string {
  return rounds < plannedRounds
    ? `ended early after ${String(rounds)} of ${String(plannedRounds)} rounds (budgets or spare rounds ran out)`
    : `${String(rounds)} rounds`;
}

function rejectedText(rejected: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(rejected);
  return reasons.length === 0
    ? ''
    : `; rejected: ${reasons.map(([reason, count]) => `${String(count)} ${reason}`).join(', ')}`;
}

/** The segment without its use, which all have in common, unless that is all there is. */
function segmentName({ segment }: BenchmarkAnswer): string {
  const { use, ...filters } = segment;
  const parts = Object.entries(filters).map(([key, value]) => `${key} ${value}`);
  return parts.length > 0 ? parts.join(', ') : (use ?? 'all');
}

function benchmarkLines(answer: BenchmarkAnswer): string[] {
  const { unit, percentiles, confidence } = answer;
  const usable = percentiles.filter(({ status }) => status === 'ok');
  const missing = percentiles.filter(({ status }) => status !== 'ok').map(({ level }) => percent(level));
  return [
    `${segmentName(answer)} (${unit}, ${String(Math.round(confidence * 100))} % intervals)`,
    ...usable.map(
      ({ level, value, low, high }) =>
        `  ${percent(level)}  ${value.toFixed(2).padStart(7)}   [${low.toFixed(2)}, ${high.toFixed(2)}]`,
    ),
    ...(missing.length === 0 ? [] : [`  ${missing.join(', ')}: insufficient data`]),
  ];
}

const percent = (level: number) => `p${String(Math.round(level * 100))}`;
