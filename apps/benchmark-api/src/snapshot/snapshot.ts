import {
  type BenchmarkAnswer,
  type BudgetAnswer,
  type FederationAnswer,
  type LedgerAnswer,
  ledgerOrigin,
  type ModelAnswer,
  type ModelsAnswer,
  type ModelSummary,
  type PositionAnswer,
  type PositionRequest,
  type Provenance,
  type Role,
  type RoundAnswer,
  type RoundsAnswer,
  type RoundSummary,
} from '@fedcarbon/contracts';
import { OTHER_GROUP } from '@fedcarbon/benchmark';
import { modelFromBytes } from '@fedcarbon/learning';
import type { ModelRow, RoundRow } from '@fedcarbon/persistence';
import type { Accountant } from '@fedcarbon/privacy';
import { allBinLabels } from '@fedcarbon/stock';
import { type Answer, answerOf } from './answer.ts';
import type { PlanScope } from './plan-scope.ts';
import { position } from './positioning.ts';
import { provenanceOf } from './provenance.ts';
import type { Records } from './records.ts';
import type { ReleaseEstimates } from './release-estimates.ts';
import { segmentQuery } from './segment-query.ts';
import { type Spending, spendingOf } from './spending.ts';

/** Who asks: a role, and for a holder which one. */
export interface Asker {
  readonly role: Role;
  readonly holder?: string | undefined;
}

/** Serialised answers kept at most; queries can be spelled in endless ways. */
const MAX_KEPT = 1000;

/** Everything that can be asked at one position of the ledger. Immutable; an answer is serialised once, when it is first asked for. */
export class Snapshot {
  readonly provenance: Provenance;
  readonly #scope: PlanScope;
  readonly #records: Records;
  readonly #estimates: ReleaseEstimates | undefined;
  readonly #spending: Spending;
  readonly #kept = new Map<string, Answer>();
  /** Of the latest model. */
  readonly #weights: Float64Array | undefined;

  /** `estimates`: of the latest release, if there is one. */
  constructor(
    scope: PlanScope,
    records: Records,
    estimates: ReleaseEstimates | undefined,
    accountant: Pick<Accountant, 'epsilonOf'>,
  ) {
    this.#scope = scope;
    this.#records = records;
    this.#estimates = estimates;
    this.#spending = spendingOf(scope.plan, records, accountant);
    const latest = records.models.at(-1);
    this.#weights = latest && modelFromBytes(latest.weights);
    this.provenance = provenanceOf(scope, records, {
      modelVersion: latest?.version ?? null,
      benchmarkVersion: estimates?.version ?? null,
      epsilon: this.#spending.epsilonMax,
    });
  }

  /** `query`: what stands behind the question mark. Throws InvalidInputError for an unknown parameter. */
  benchmarks(query: string): Answer {
    return this.#once(`benchmarks?${query}`, (): BenchmarkAnswer => {
      const { segment, answer } = segmentQuery(this.#scope, new URLSearchParams(query));
      const { confidence, maxRelativeHalfWidth } = this.#scope.plan.benchmarks;
      const frame = { segment, unit: this.#scope.plan.stock.unit, confidence, maxRelativeHalfWidth };
      const unreleased = (reason: string): BenchmarkAnswer => ({
        ...{ status: 'not_released', reason, ...frame, percentiles: [], provenance: this.provenance },
      });
      if (answer.status === 'not_released') return unreleased(answer.reason);
      const estimate = this.#estimates?.find(answer.segment);
      if (estimate === undefined) return unreleased('no release yet');
      const percentiles = [...estimate.percentiles];
      const ok = percentiles.some(({ status }) => status === 'ok');
      return { status: ok ? 'ok' : 'insufficient_data', ...frame, percentiles, provenance: this.provenance };
    });
  }

  /** Undefined while there is no model. Throws InvalidInputError for attributes that do not fit the plan. */
  position(request: PositionRequest): PositionAnswer | undefined {
    if (this.#weights === undefined) return undefined;
    const margin = this.#scope.plan.benchmarks.layout.margins.find(({ groups }) => groups.length === 1);
    const [group] = margin?.groups ?? [];
    const whole = margin && group !== undefined ? this.#estimates?.find({ margin: margin.name, group }) : undefined;
    return { ...position(this.#scope, this.#weights, whole, request), provenance: this.provenance };
  }

  models(): Answer {
    return this.#once('models', (): ModelsAnswer => {
      return { models: this.#records.models.map(modelSummary), provenance: this.provenance };
    });
  }

  /** Undefined when there is no such version. */
  model(version: number | 'latest'): Answer | undefined {
    const { models } = this.#records;
    const row = version === 'latest' ? models.at(-1) : models.find((model) => model.version === version);
    const { plan, view } = this.#scope;
    return (
      row &&
      this.#once(`models/${String(row.version)}`, (): ModelAnswer => {
        return {
          ...modelSummary(row),
          recipe: plan.recipe.kind,
          featureSchema: plan.stock.featureSchema,
          binsPerFeature: plan.recipe.binsPerFeature,
          labels: allBinLabels(view.schema),
          yRange: plan.recipe.yRange,
          unit: plan.stock.unit,
          weights: [...modelFromBytes(row.weights)],
          provenance: this.provenance,
        };
      })
    );
  }

  rounds(): Answer {
    return this.#once('rounds', (): RoundsAnswer => {
      return { rounds: this.#records.rounds.map(roundSummary), provenance: this.provenance };
    });
  }

  /** Undefined when there is no round of this index. */
  round(index: number): Answer | undefined {
    const row = this.#records.rounds.find((round) => round.index === index);
    return (
      row &&
      this.#once(`rounds/${String(index)}`, (): RoundAnswer => {
        return { ...roundSummary(row), provenance: this.provenance };
      })
    );
  }

  ledger(): Answer {
    return this.#once('ledger', (): LedgerAnswer => {
      const { size, checkpoint } = this.#records.ledger;
      const checkpointKey = this.#scope.plan.keys.checkpoint;
      return { origin: ledgerOrigin(checkpointKey), size, checkpoint, checkpointKey, provenance: this.provenance };
    });
  }

  federation(): Answer {
    return this.#once('federation', (): FederationAnswer => {
      const { plan } = this.#scope;
      const { status, rounds } = this.#records;
      return {
        // A plan is enrolled, and its row open, before its operator starts it.
        status: status === 'completed' ? 'completed' : rounds.length > 0 ? 'open' : 'not_started',
        recipe: plan.recipe.kind,
        target: plan.stock.target,
        unit: plan.stock.unit,
        regions: plan.regions.map(({ name, members }) => ({ name, members: members.length })),
        plannedRounds: plan.recipe.rounds,
        releasedRounds: rounds.filter((round) => round.purpose === 'model' && round.status === 'released').length,
        margins: plan.benchmarks.layout.margins.map(({ name, groups }) => ({
          name,
          groups: groups.filter((group) => group !== OTHER_GROUP),
        })),
        provenance: this.provenance,
      };
    });
  }

  /** Operators and auditors see all data sets, a holder its own, analysts none. */
  budget({ role, holder }: Asker): Answer {
    const seen = role === 'operator' || role === 'auditor' ? 'all' : role === 'holder' ? (holder ?? '') : '';
    return this.#once(`budget/${role} ${seen}`, (): BudgetAnswer => {
      const { epsilonMax, dataSets } = this.#spending;
      return {
        epsilonSpentMax: epsilonMax,
        dataSets: dataSets.filter((dataSet) => seen === 'all' || dataSet.holder === seen),
        provenance: this.provenance,
      };
    });
  }

  #once(key: string, build: () => object): Answer {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const answer = answerOf(build());
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(key, answer);
    return answer;
  }
}

function modelSummary({ version, roundId, digest, epsilon, rounds, createdAtMs }: ModelRow): ModelSummary {
  return { version, roundId, digest, epsilon, rounds, publishedAt: new Date(createdAtMs).toISOString() };
}

function roundSummary(round: RoundRow): RoundSummary {
  const { index, roundId, purpose, status, openedAtMs, closedAtMs } = round;
  return {
    index,
    roundId,
    purpose,
    outcome: status,
    reason: round.reason ?? null,
    participants: round.participants ?? 0,
    bytes: { up: round.bytesUp ?? 0, down: round.bytesDown ?? 0 },
    openedAt: new Date(openedAtMs).toISOString(),
    closedAt: closedAtMs === undefined ? null : new Date(closedAtMs).toISOString(),
    durationMs: closedAtMs === undefined ? null : Math.max(0, closedAtMs - openedAtMs),
  };
}
