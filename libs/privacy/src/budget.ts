import { type Accountant, assertDelta, epsilonOf } from './accountant.ts';
import { assertPositive } from './analytic-gaussian.ts';
import { assertEvent, type MechanismEvent } from './event.ts';

/** The most that all releases from one data set may ever cost. */
export interface BudgetCap {
  readonly epsilon: number;
  readonly delta: number;
}

export interface BudgetRequest {
  /** Everything charged so far, also what was charged and never published. */
  readonly history: readonly MechanismEvent[];
  /** What is to be charged next. */
  readonly event: MechanismEvent;
  readonly cap: BudgetCap;
}

interface BudgetFigures {
  readonly epsilonBefore: number;
  /** Cost of history and event together. */
  readonly epsilonAfter: number;
  /** Of the cap: what is left after a grant, or what is left without the refused event. Never negative. */
  readonly epsilonRemaining: number;
}

export type BudgetDecision =
  | ({ readonly granted: true } & BudgetFigures)
  | ({ readonly granted: false; readonly reason: 'over_budget'; readonly message: string } & BudgetFigures);

/**
 * Whether `event` may follow `history` under `cap`. A pure function of its arguments: the accountant and the data holder each decide by it, on their own
 * records. Pass an accountant from `createAccountant` where the same questions recur.
 * Throws InvalidInputError for an invalid event or cap, before anything is computed; a refusal is an answer, not an error.
 */
export function decide(
  { history, event, cap }: BudgetRequest,
  accountant: Pick<Accountant, 'epsilonOf'> = { epsilonOf },
): BudgetDecision {
  assertPositive('the epsilon of the cap', cap.epsilon);
  assertDelta(cap.delta);
  history.forEach(assertEvent);
  assertEvent(event);

  const epsilonBefore = accountant.epsilonOf(history, cap.delta).epsilon;
  const epsilonAfter = accountant.epsilonOf([...history, event], cap.delta).epsilon;
  if (epsilonAfter <= cap.epsilon) {
    return { granted: true, epsilonBefore, epsilonAfter, epsilonRemaining: cap.epsilon - epsilonAfter };
  }
  return {
    granted: false,
    reason: 'over_budget',
    message: `history and event together cost epsilon ${epsilonAfter}, more than the cap of ${cap.epsilon} at delta ${cap.delta}`,
    epsilonBefore,
    epsilonAfter,
    epsilonRemaining: Math.max(0, cap.epsilon - epsilonBefore),
  };
}
