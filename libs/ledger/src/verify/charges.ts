import { composedEpsilon, shiftsBySigma } from './epsilon.ts';
import type { Report } from './findings.ts';
import type { Fields, Plan } from './format.ts';

/** What one holder's data set has spent over its life, against the budget of the plan it was last enrolled in. */
export interface ClientBudget {
  readonly holder: string;
  readonly dataset: string;
  /** Never below the truth; NaN when it could not be computed (a finding says why). */
  readonly epsilon: number;
  readonly delta: number;
  readonly budget: number;
}

type Commit = Fields<'privacy.committed'>;

interface Charge extends Commit {
  readonly seq: number;
  /** Whether its update is in a released or abandoned round's sum. */
  counted: boolean;
}

interface Account {
  readonly holder: string;
  readonly dataset: string;
  readonly charges: Charge[];
  readonly plans: Map<string, Plan>;
}

/** By how much the composition may overstate epsilon through its grid (measured below 2e-6 with eight different sigmas). */
const GRID_ERROR = 1e-5;
/** A published epsilon may differ from the recomputed one by this share: two accountants, two upper bounds. */
const STATED_TOLERANCE = 0.01;

/** All charges of the ledger, by holder and data set: a budget belongs to the data set, whatever the plan. */
export class ChargeBook {
  readonly #report: Report;
  readonly #accounts = new Map<string, Account>();
  readonly #charges = new Map<string, Charge>();
  readonly #datasets = new Map<string, string>();
  readonly #composed = new Map<string, number>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** The members of a plan that opens. */
  enrol(seq: number, planHash: string, plan: Plan): void {
    for (const { holder, dataset } of plan.regions.flatMap(({ members }) => members)) {
      const member = key(planHash, holder);
      if (this.#datasets.has(member)) this.#report(seq, `the plan lists ${holder} twice`);
      this.#datasets.set(member, dataset);
      const account = this.#accounts.get(key(holder, dataset)) ?? { holder, dataset, charges: [], plans: new Map() };
      account.plans.set(planHash, plan);
      this.#accounts.set(key(holder, dataset), account);
    }
  }

  /** The data set with which `holder` is in a plan. */
  datasetOf(planHash: string, holder: string): string | undefined {
    return this.#datasets.get(key(planHash, holder));
  }

  add(seq: number, commit: Commit): void {
    const { planHash, roundId, holder, dataset, attempt } = commit;
    const account = this.#accounts.get(key(holder, dataset));
    if (!account || this.datasetOf(planHash, holder) !== dataset) {
      return this.#report(seq, `${holder} is not in the plan with data set ${dataset}`);
    }
    const name = key(planHash, roundId, holder, String(attempt));
    const earlier = this.#charges.get(name);
    if (earlier) {
      const what = earlier.updateDigest === commit.updateDigest ? 'charged twice' : 'charged for two different updates';
      this.#report(seq, `attempt ${attempt} of ${holder} in round ${roundId} is ${what}`);
    }
    const charge = { ...commit, seq, counted: false };
    this.#charges.set(name, charge);
    account.charges.push(charge);
  }

  find(planHash: string, roundId: string, holder: string, attempt: number): Charge | undefined {
    return this.#charges.get(key(planHash, roundId, holder, String(attempt)));
  }

  /**
   * Whether the epsilon of a published model is that of its plan's most charged client. A charge to the latest round that is not in its
   * sum may or may not have been seen by the publisher; every other one must be in the figure.
   */
  checkStatedEpsilon(seq: number, stated: Fields<'model.published'>, latestRoundSeq: number): boolean {
    const accounts = [...this.#accounts.values()].filter(({ plans }) => plans.has(stated.planHash));
    const delta = accounts[0]?.plans.get(stated.planHash)?.privacy.delta ?? NaN;
    const largest = (counts: (charge: Charge) => boolean) => {
      const histories = longest(accounts.map(({ charges }) => charges.filter(counts)));
      return Math.max(...histories.map((history) => this.#epsilon(history, delta, seq)));
    };
    const most = largest(() => true);
    if (Number.isNaN(most)) return false;
    const least = () => largest((charge) => charge.seq < latestRoundSeq || charge.counted);
    const [low, high] = [1 - STATED_TOLERANCE, 1 + STATED_TOLERANCE];
    if (stated.epsilon <= most * high && (stated.epsilon >= most * low || stated.epsilon >= least() * low)) return true;
    this.#report(seq, `model ${stated.version} states epsilon ${stated.epsilon}, the charges compose to ${most}`);
    return false;
  }

  /**
   * Every account's epsilon; reports those that exceeded the budget of a plan with a charge under that plan. What its plans' sums of noise shares are from
   * the charged events is taken off delta first.
   */
  settle(): ClientBudget[] {
    return [...this.#accounts.values()].map(({ holder, dataset, charges, plans }) => {
      let distance = 0;
      for (const [planHash, { privacy }] of plans) {
        distance += privacy.secureSum?.noiseDistanceDelta ?? 0;
        const last = charges.findLastIndex((charge) => charge.planHash === planHash);
        const seq = charges[last]?.seq;
        const epsilon = this.#epsilon(charges.slice(0, last + 1), privacy.delta - distance, seq);
        if (epsilon > privacy.epsilon * (1 + GRID_ERROR)) {
          this.#report(
            seq,
            `${holder} (${dataset}) spent epsilon ${epsilon} of ${privacy.epsilon} at delta ${privacy.delta}`,
          );
        }
      }
      const latest = [...plans.values()].at(-1)?.privacy;
      const { epsilon: budget, delta } = latest ?? { epsilon: NaN, delta: NaN };
      const epsilon = this.#epsilon(charges, delta - distance, charges.at(-1)?.seq);
      return { holder, dataset, epsilon, delta, budget };
    });
  }

  #epsilon(charges: readonly Charge[], delta: number, seq: number | undefined): number {
    const events = charges.map(({ event }) => event);
    const name = JSON.stringify([delta, ...[...shiftsBySigma(events)].sort(([a], [b]) => a - b)]);
    const known = this.#composed.get(name);
    if (known !== undefined) return known;
    let epsilon = NaN;
    try {
      epsilon = composedEpsilon(events, delta);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#report(seq, `epsilon cannot be recomputed: ${error.message}`, 'incomplete');
    }
    this.#composed.set(name, epsilon);
    return epsilon;
  }
}

/** The histories that no other one covers; only these can have the largest epsilon. */
function longest(histories: readonly (readonly Charge[])[]): (readonly Charge[])[] {
  const all = histories.map((history) => ({ history, shifts: shiftsBySigma(history.map(({ event }) => event)) }));
  const kept: typeof all = [];
  for (const one of all) {
    if (kept.some((other) => covers(other.shifts, one.shifts))) continue;
    kept.splice(0, kept.length, ...kept.filter((other) => !covers(one.shifts, other.shifts)), one);
  }
  return kept.map(({ history }) => history);
}

function covers(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  return [...b].every(([sigmaSquared, shifts]) => (a.get(sigmaSquared) ?? 0) >= shifts);
}

function key(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}
