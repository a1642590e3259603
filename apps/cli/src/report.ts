import {
  BenchmarkAnswer,
  BudgetAnswer,
  FederationAnswer,
  type FederationPlan,
  LedgerAnswer,
  type MechanismEvent,
  ModelAnswer,
  ModelsAnswer,
  type Purpose,
  RoundsAnswer,
} from '@fedcarbon/contracts';
import { FedcarbonError } from '@fedcarbon/kernel';
import type { ApiClient } from './api-client.ts';
import type { Accuracy, Evaluation, Simulation } from './simulation.ts';

/** The results of a federation, as `--report FILE` writes them. */
export interface Report {
  readonly dataset: {
    readonly name: string;
    readonly simulated: boolean;
    /** As the plan says it: the published file's digest, or the seed of the simulation. */
    readonly data: FederationPlan['stock']['data'];
    readonly records: number;
    readonly rejected: Readonly<Record<string, number>>;
    readonly provenance: string;
  };
  readonly plan: { readonly name: string; readonly hash: string };
  readonly clients: number;
  readonly regions: number;
  readonly trust: string;
  /** What the released epsilon rests on. */
  readonly assumption: string;
  readonly adjacency: string;
  /** Released model rounds; fewer than planned when the federation ended early. */
  readonly rounds: number;
  readonly plannedRounds: number;
  /** What ran: each event, and how many rounds were opened with it (abandoned ones are charged too). */
  readonly mechanism: readonly { readonly purpose: Purpose; readonly event: MechanismEvent; readonly times: number }[];
  readonly epsilon: { readonly budget: number; readonly spentMax: number };
  readonly delta: number;
  /** On pooled test records; exists only in a simulation. */
  readonly metrics: Accuracy;
  readonly unit: string;
  readonly bytes: { readonly up: number; readonly down: number };
  readonly wallSeconds: number;
  readonly roundMillis: { readonly median: number; readonly p95: number };
  readonly model: { readonly version: number; readonly digest: string };
  readonly ledger: { readonly size: number; readonly head: string; readonly verified: boolean };
  readonly benchmarks: readonly {
    readonly segment: Readonly<Record<string, string>>;
    readonly status: string;
    readonly percentiles: BenchmarkAnswer['percentiles'];
  }[];
}

const ANSWER_TIMEOUT_MS = 20_000;

/** What a completed federation has to show, asked from the API. */
export interface Results {
  readonly report: Omit<Report, 'ledger' | 'wallSeconds'> & { readonly ledger: Omit<Report['ledger'], 'verified'> };
  readonly benchmarks: readonly BenchmarkAnswer[];
}

/** Collects the results of a completed federation. Throws FedcarbonError when it ended without a model. */
export async function collectResults(
  api: ApiClient,
  plan: FederationPlan,
  hash: string,
  simulation: Simulation,
  evaluation: Evaluation,
): Promise<Results> {
  await api.until('/v1/federation', FederationAnswer, ({ status }) => status === 'completed', ANSWER_TIMEOUT_MS);
  const { models } = await api.get('/v1/models', ModelsAnswer);
  if (models.length === 0) {
    throw new FedcarbonError(
      'no_model',
      'the federation ended without a released round; `/v1/rounds` and the logs say why',
    );
  }
  const model = await api.get('/v1/models/latest', ModelAnswer);
  const { rounds } = await api.get('/v1/rounds', RoundsAnswer);
  const budget = await api.get('/v1/federation/budget', BudgetAnswer);
  const ledger = await api.get('/v1/ledger', LedgerAnswer);
  const benchmarks = await allBenchmarks(api, plan);
  const durations = rounds.flatMap(({ durationMs }) => (durationMs === null ? [] : [durationMs])).sort((a, b) => a - b);
  const ran = (purpose: Purpose) => rounds.filter((round) => round.purpose === purpose).length;
  return {
    benchmarks,
    report: {
      dataset: {
        name: simulation.stock.dataset,
        simulated: simulation.stock.data.kind === 'simulated',
        data: plan.stock.data,
        records: simulation.stock.records.length,
        rejected: simulation.stock.rejected,
        provenance: simulation.stock.provenance,
      },
      plan: { name: plan.name, hash },
      clients: plan.regions.reduce((sum, { members }) => sum + members.length, 0),
      regions: plan.regions.length,
      trust: plan.privacy.trust,
      assumption: ledger.provenance.assumption,
      adjacency: plan.privacy.adjacency,
      rounds: model.rounds,
      plannedRounds: plan.recipe.rounds,
      mechanism: [
        { purpose: 'model', event: plan.recipe.event, times: ran('model') },
        { purpose: 'benchmarks', event: plan.benchmarks.event, times: ran('benchmarks') },
      ],
      epsilon: { budget: plan.privacy.epsilon, spentMax: budget.epsilonSpentMax },
      delta: plan.privacy.delta,
      metrics: evaluation.score(plan, model),
      unit: plan.stock.unit,
      bytes: {
        up: rounds.reduce((sum, { bytes }) => sum + bytes.up, 0),
        down: rounds.reduce((sum, { bytes }) => sum + bytes.down, 0),
      },
      roundMillis: { median: quantile(durations, 0.5), p95: quantile(durations, 0.95) },
      model: { version: model.version, digest: model.digest },
      ledger: { size: ledger.size, head: ledger.provenance.ledger.root ?? '' },
      benchmarks: benchmarks.map(({ segment, status, percentiles }) => ({ segment, status, percentiles })),
    },
  };
}

/** The release of every margin's every group, the whole first. */
async function allBenchmarks(api: ApiClient, plan: FederationPlan): Promise<BenchmarkAnswer[]> {
  const { use } = plan.stock;
  const scope: [string, string][] = use === null ? [] : [['use', use]];
  const queries = plan.benchmarks.layout.margins.flatMap(({ name, groups }) =>
    groups.length === 1
      ? [scope]
      : groups.filter((group) => group !== 'other').map((group) => [...scope, [name, group] as [string, string]]),
  );
  const answers: BenchmarkAnswer[] = [];
  for (const query of queries) {
    answers.push(await api.get(`/v1/benchmarks?${new URLSearchParams(query).toString()}`, BenchmarkAnswer));
  }
  return answers;
}

/** Quantile of sorted values, by the nearest rank. */
function quantile(sorted: readonly number[], level: number): number {
  return sorted[Math.max(0, Math.ceil(level * sorted.length) - 1)] ?? 0;
}
