import { abridgedBytes, RECEIPT_V1, readStatement, UPDATE_V1 } from '@fedcarbon/contracts';
import { toBase64Url } from '@fedcarbon/kernel';
import { messageBytes } from '@fedcarbon/messaging';
import type { RegionUpdateRow } from '@fedcarbon/persistence';

const SIGNATURE = '-'.repeat(86);

/** Bytes of the message in which a holder sent this update: everything in it but the accountant's signature is stored. */
export function updateBytes({
  roundId,
  attempt,
  payload,
}: Pick<RegionUpdateRow, 'roundId' | 'attempt' | 'payload'>): number {
  const sent = { roundId, attempt, payload: toBase64Url(payload), commitSignature: SIGNATURE };
  return messageBytes(abridgedBytes(UPDATE_V1, sent).length);
}

/** Bytes of the message in which a holder got this receipt. */
export function receiptBytes({ receipt }: Pick<RegionUpdateRow, 'receipt'>): number {
  return messageBytes(abridgedBytes(RECEIPT_V1, readStatement(RECEIPT_V1, receipt)).length);
}
