import { decodeIntegers, encodeIntegers, sumModulo } from '@fedcarbon/codec';
import type { FederationPlan, Purpose } from '@fedcarbon/contracts';
import { InvalidInputError, type Sha256 } from '@fedcarbon/kernel';
import { addMasked, blockFrom, readMasked, readPartial } from '@fedcarbon/secure-sum';
import { FIRST_BLOCK, maskingBlock, memberIndex, secureSumOf, sumShape } from './masking.ts';
import { checkPayload, roundShape } from './recipe.ts';

/** Which round: what the plan needs to know of it. */
export interface RoundInPlan {
  readonly index: number;
  readonly purpose: Purpose;
  /** Under double masking: the block of the secure sum that the round is in; the first one if left out. */
  readonly block?: number | undefined;
}

/** How the updates of a plan look and how a region adds them up: as they are, or masked. */
export interface Summation {
  /** Throws InvalidInputError unless `payload` is an update of the round, and nothing else. */
  checkUpdate(round: RoundInPlan, payload: Uint8Array): void;
  /** A region's sum over its accepted updates, by holder; all of them have been checked. */
  add(round: RoundInPlan, updates: ReadonlyMap<string, Uint8Array>): Uint8Array;
  /** Throws InvalidInputError unless `aggregate` is the sum of the updates of exactly these holders, as far as it shows. */
  checkSum(round: RoundInPlan, holders: readonly string[], aggregate: Uint8Array): void;
}

/** The summation that the plan's trust asks for. */
export function summationOf(plan: FederationPlan, planHash: string, sha256: Sha256): Summation {
  return plan.privacy.trust === 'distributed' ? maskedSummation(plan, planHash, sha256) : plainSummation(plan);
}

/** Residues modulo 2^bits in the open, each with all the noise it needs. */
function plainSummation(plan: FederationPlan): Summation {
  const check = ({ purpose }: RoundInPlan, payload: Uint8Array) => {
    checkPayload(roundShape(plan, purpose), payload);
  };
  return {
    checkUpdate: check,
    add({ purpose }, updates) {
      const { bits, length } = roundShape(plan, purpose);
      const none = new Uint32Array(length);
      const values = [...updates.values()].map((payload) => decodeIntegers(payload).values);
      return encodeIntegers(sumModulo([none, ...values], bits), bits);
    },
    checkSum: (round, _, aggregate) => {
      check(round, aggregate);
    },
  };
}

/** Masks of the secure sum run across the whole federation; the sum of no updates is empty. */
function maskedSummation(plan: FederationPlan, planHash: string, sha256: Sha256): Summation {
  const first = maskingBlock(plan, planHash, sha256);
  const { sealedBytes } = secureSumOf(plan, planHash, sha256);
  /** A block as one sees it who only adds: neither excluded members nor the first round matter to that. */
  const blockOf = ({ block: number = FIRST_BLOCK }: RoundInPlan) => blockFrom(first, { ...first, number }, sha256);
  return {
    checkUpdate(round, payload) {
      readMasked(blockOf(round), sealedBytes, sumShape(plan, round), payload);
    },
    add(round, updates) {
      if (updates.size === 0) return new Uint8Array();
      const messages = new Map([...updates].map(([holder, payload]) => [memberIndex(plan, holder), payload]));
      return addMasked(blockOf(round), sealedBytes, sumShape(plan, round), messages);
    },
    checkSum(round, holders, aggregate) {
      const expected = holders.map((holder) => memberIndex(plan, holder)).sort((a, b) => a - b);
      if (expected.length === 0 && aggregate.length === 0) return;
      const { members } = readPartial(blockOf(round), sealedBytes, sumShape(plan, round), aggregate);
      if (members.join() !== expected.join()) {
        throw new InvalidInputError(
          `the sum is of members ${members.join(', ')}, the updates of ${expected.join(', ')}`,
        );
      }
    },
  };
}
