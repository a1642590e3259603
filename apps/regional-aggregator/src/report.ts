import {
  DECLINE_V1,
  readAbridged,
  readStatement,
  RECEIPT_V1,
  type RegionalReport,
  type RoundOpened,
} from '@fedcarbon/contracts';
import { toBase64Url } from '@fedcarbon/kernel';
import { messageBytes } from '@fedcarbon/messaging';
import { receiptBytes, updateBytes } from './message-size.ts';
import type { RegionInPlan } from './messages.ts';
import type { Situation } from './store.ts';

/** What a region sends on about a round: the sum of the accepted updates, every verdict so far, and who declined. */
export function regionalReport(
  { planHash, region, summation }: RegionInPlan,
  opened: RoundOpened,
  { round, updates, declines }: Situation,
): RegionalReport {
  const inOrder = [...updates].sort((a, b) =>
    a.holder < b.holder ? -1 : a.holder > b.holder ? 1 : a.attempt - b.attempt,
  );
  const accepted = inOrder.filter(({ verdict }) => verdict === 'accepted');
  const answered = new Set(accepted.map(({ holder }) => holder));
  const sum = summation.add(opened, new Map(accepted.map(({ holder, payload }) => [holder, payload])));
  return {
    planHash,
    roundId: round.roundId,
    region: region.name,
    aggregate: toBase64Url(sum),
    participants: accepted.map(({ holder, attempt, updateDigest }) => ({ holder, attempt, updateDigest })),
    verdicts: inOrder.map(({ receipt, receiptSignature }) => ({
      statement: readStatement(RECEIPT_V1, receipt),
      signature: toBase64Url(receiptSignature),
    })),
    // Whoever sent an update after a decline takes part.
    declined: declines
      .filter(({ holder }) => !answered.has(holder))
      .map(({ holder, decline, signature }) => ({
        statement: readAbridged(DECLINE_V1, decline, () => ({ planHash, holder })),
        signature: toBase64Url(signature),
      })),
    bytes: bytesOf({ round, updates, declines }),
  };
}

/** Every distinct message counts once; what the broker repeats does not. */
function bytesOf({ round, updates, declines }: Situation): RegionalReport['bytes'] {
  const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);
  return {
    up: total([...updates.map(updateBytes), ...declines.map(({ decline }) => messageBytes(decline.length))]),
    down: round.picked.length * messageBytes(round.task.length) + total(updates.map(receiptBytes)),
  };
}
