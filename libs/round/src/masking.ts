import type { FederationPlan, Purpose } from '@fedcarbon/contracts';
import { fromBase64Url, fromHex, InvalidInputError, type Sha256 } from '@fedcarbon/kernel';
import {
  type Block,
  type SecureSum,
  doubleMasking,
  sessionOf,
  type Phase,
  type SumShape,
  twoServers,
} from '@fedcarbon/secure-sum';
import { lastIndex, roundShape } from './recipe.ts';

/** Number of the block that is set up when a plan starts. It covers every round; another one follows only after a round that bad dealers have spoilt. */
export const FIRST_BLOCK = 1;

/** Holders in the order in which the secure sum numbers them: by region, then by place in the region. */
export function membersInOrder(plan: FederationPlan): FederationPlan['regions'][number]['members'] {
  return plan.regions.flatMap(({ members }) => members);
}

/** The number of a holder in the secure sum. Throws InvalidInputError (`not_a_member`). */
export function memberIndex(plan: FederationPlan, holder: string): number {
  const index = membersInOrder(plan).findIndex((member) => member.holder === holder);
  if (index < 0) throw new InvalidInputError(`${holder} is not a member of the plan`, { code: 'not_a_member' });
  return index;
}

/** The block of rounds that holders set up when the plan starts. Later ones follow from it (`blockFrom`). Throws InvalidInputError unless the plan's trust is `distributed`. */
export function maskingBlock(plan: FederationPlan, planHash: string, sha256: Sha256): Block {
  const { secureSum } = plan.privacy;
  if (secureSum === null) throw new InvalidInputError(`trust "${plan.privacy.trust}" has no secure sum`);
  const hash = fromHex(planHash);
  return {
    ...{ number: FIRST_BLOCK, firstRound: 0, excluded: [] },
    session: sessionOf(sha256, hash, FIRST_BLOCK),
    planHash: hash,
    members: membersInOrder(plan).map(({ publicKey }) => fromBase64Url(publicKey)),
    coordinatorKey: fromBase64Url(plan.keys.global),
    rounds: lastIndex(plan),
    // A sum below the quorum is not wanted, so nobody need be able to open it. The plan's minSurvivors, which the noise is for, is not above it.
    minSurvivors: Math.max(plan.round.quorum, secureSum.minSurvivors),
    graph: { kind: 'complete' },
  };
}

/** The secure sum of a plan under trust `distributed`. */
export function secureSumOf(plan: FederationPlan, planHash: string, sha256: Sha256): SecureSum {
  return plan.privacy.secureSum?.protocol === 'two-servers'
    ? twoServersOf(plan, planHash, sha256).sum
    : doubleMasking(maskingBlock(plan, planHash, sha256));
}

/** The secure sum of a plan that has a helper, and the helper's key. Throws InvalidInputError for another plan. */
export function twoServersOf(plan: FederationPlan, planHash: string, sha256: Sha256) {
  const { secureSum } = plan.privacy;
  if (secureSum?.protocol !== 'two-servers') {
    throw new InvalidInputError(`the plan "${plan.name}" has no second server`, { code: 'wrong_plan' });
  }
  const { publicKey, sealingKey } = secureSum.helper;
  const block = maskingBlock(plan, planHash, sha256);
  return { sum: twoServers(block, fromBase64Url(sealingKey)), publicKey: fromBase64Url(publicKey) };
}

/** What a masked message of the plan's `index`-th round looks like: the secure sum counts rounds from 0, the plan from 1. */
export function sumShape(
  plan: FederationPlan,
  { index, purpose }: { readonly index: number; readonly purpose: Purpose },
): SumShape {
  const { length, bits } = roundShape(plan, purpose);
  return { round: index - 1, length, bits };
}

/** Variance parameter of the noise that each holder adds in a round: under trust `local` all of it, under `distributed` its share. */
export function roundShare(plan: FederationPlan, purpose: Purpose): number {
  return plan.privacy.secureSum?.shareSigmaSquared[purpose] ?? roundShape(plan, purpose).event.sigmaSquared;
}

/** Standard deviation of the noise in one coordinate of the sum of `participants` holders. */
export function noiseSdOfSum(plan: FederationPlan, purpose: Purpose, participants: number): number {
  return Math.sqrt(participants * roundShare(plan, purpose));
}

/**
 * When the coordinator stops waiting in a phase that began at `sinceMs`; undefined for the phase that ends with the regions' reports. The exchange of keys may
 * begin before the operator starts the plan; only then does its time run.
 */
export function phaseDeadlineMs(
  { round }: FederationPlan,
  phase: Phase,
  sinceMs: number,
  startedAtMs: number | undefined,
): number | undefined {
  if (phase === 'masked') return undefined;
  if (phase === 'consent' || phase === 'answer') return sinceMs + round.unmaskDeadlineMs;
  return startedAtMs === undefined ? undefined : Math.max(sinceMs, startedAtMs) + round.globalDeadlineMs;
}
