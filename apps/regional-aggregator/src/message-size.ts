import {
  type CommitStatement,
  type PlanMember,
  type RoundOpened,
  SIGNATURE_HEADER,
  type Update,
} from '@fedcarbon/contracts';
import { canonicalBytes, type Json } from '@fedcarbon/kernel';

const SIGNATURE_LENGTH = 86;
const DIGEST_LENGTH = 64;

/** Bytes of a signed message: its body and its headers (version line, message id, signature, empty line), without the transport below. */
export function messageBytes(bodyBytes: number, messageIdLength = DIGEST_LENGTH): number {
  const header = (name: string, valueLength: number) => name.length + 2 + valueLength + 2;
  return (
    bodyBytes +
    'NATS/1.0\r\n'.length +
    header('Nats-Msg-Id', messageIdLength) +
    header(SIGNATURE_HEADER, SIGNATURE_LENGTH) +
    '\r\n'.length
  );
}

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
