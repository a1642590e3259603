import type { DeliveryCounts } from '@fedcarbon/messaging';
import type { Accountant, BudgetCap } from '@fedcarbon/privacy';
import type { Rejected } from './holder-records.ts';
import { type JournalState, spentEvents } from './journal/state.ts';

/** What a holder's own operator may see. It holds rejected rows and is for the holder's machine only. */
export interface HolderView {
  readonly holder: string;
  readonly dataset: string;
  readonly region: string;
  /** `true`, or why it cannot work now. */
  readonly status: true | string;
  /** Where the holder is in the plan's secure sum: null under trust `local`, "joining", "ready", or why it takes no part any more. */
  readonly secureSum: string | null;
  /** The journal holds all earlier charges; until then the budget below is not known. */
  readonly rebuilt: boolean;
  readonly budget: {
    readonly cap: BudgetCap;
    /** By the holder's own accounting: every attempt that was charged, or may have been. */
    readonly epsilonSpent: number;
    readonly epsilonRemaining: number;
  };
  /** Rounds for which bytes were charged. */
  readonly rounds: number;
  /** Bytes of updates, headers included, sent since the process started; repetitions count. */
  readonly bytesSent: number;
  /** Exactly what left the site, or may have: all bytes that the accountant has charged. */
  readonly left: readonly {
    readonly roundId: string;
    readonly attempt: number;
    readonly digest: string | null;
    /** The region's verdict; null until its receipt has come. */
    readonly verdict: string | null;
    readonly reason?: string;
  }[];
  /** Messages of the broker: handled, to be repeated, and refused for good by reason. */
  readonly deliveries: DeliveryCounts;
  readonly rejectedRows: { readonly train: Rejected; readonly test: Rejected };
}

/** The budget and what left the site, derived from the journal alone. */
export function journalView(
  state: JournalState,
  cap: BudgetCap,
  epsilons: Accountant,
): Pick<HolderView, 'rebuilt' | 'budget' | 'rounds' | 'left'> {
  const epsilonSpent = epsilons.epsilonOf(spentEvents(state), cap.delta).epsilon;
  const charged = [...state.attempts.values()].filter(({ status }) => status === 'committed' || status === 'spent');
  return {
    rebuilt: state.rebuilt,
    budget: { cap, epsilonSpent, epsilonRemaining: Math.max(0, cap.epsilon - epsilonSpent) },
    rounds: new Set(charged.map(({ roundId }) => roundId)).size,
    left: charged.map(({ roundId, attempt, digest, receipt }) => ({
      roundId,
      attempt,
      digest: digest ?? null,
      verdict: receipt?.verdict ?? null,
      ...(receipt?.reason === undefined ? {} : { reason: receipt.reason }),
    })),
  };
}
