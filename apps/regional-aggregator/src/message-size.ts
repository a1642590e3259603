import { type CommitStatement, type PlanMember, type RoundOpened, type Update } from '@fedcarbon/contracts';
import { canonicalBytes, type Json } from '@fedcarbon/kernel';
import { messageBytes } from '@fedcarbon/messaging';

const SIGNATURE_LENGTH = 86;
const DIGEST_LENGTH = 64;

/** Bytes of the message in which a member sent this update: everything in it follows from what is stored. */
export function updateBytes(
  { holder, dataset }: PlanMember,
  { planHash, roundId, event }: RoundOpened,
  { attempt, payload }: { readonly attempt: number; readonly payload: Uint8Array },
): number {
  const digest = '0'.repeat(DIGEST_LENGTH);
  const statement: CommitStatement = { holder, dataset, planHash, roundId, attempt, event, updateDigest: digest };
  const empty: Update = {
    ...{ planHash, roundId, holder, attempt },
    payload: '',
    commit: { statement, signature: '0'.repeat(SIGNATURE_LENGTH) },
  };
  return messageBytes(canonicalBytes(empty as unknown as Json).length + Math.ceil((payload.length * 8) / 6));
}
