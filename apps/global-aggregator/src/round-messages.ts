import {
  ROUND_CLOSED_V1,
  ROUND_OPENED_V1,
  type RoundClosed,
  type SignedBytes,
  signStatement,
  SUBJECTS,
} from '@fedcarbon/contracts';
import { type Sha256, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import type { NewOutboxMessage, NewRound } from '@fedcarbon/persistence';

/** The announcement of an open round. Made again from the stored round it has the same bytes. */
export function roundOpenedMessage(
  round: NewRound,
  {
    weights,
    absent,
  }: {
    /** The current iterate, for a model round. */
    readonly weights: Float64Array;
    /** Members, by place in the plan, that cannot take part. */
    readonly absent: readonly number[];
  },
  signer: Signer,
  sha256: Sha256,
): NewOutboxMessage {
  const { planHash, roundId, index, purpose, seed, event, bits, length, openedAtMs, regionalDeadlineAtMs } = round;
  const statement = {
    ...{ planHash, roundId, index, purpose, seed, event, bits, length, openedAtMs },
    ...(absent.length === 0 ? {} : { absent: [...absent] }),
    regionalDeadlineMs: regionalDeadlineAtMs - openedAtMs,
    weights: purpose === 'model' ? toBase64Url(float64Bytes(weights)) : '',
  };
  return message(SUBJECTS.roundOpened, signStatement(ROUND_OPENED_V1, statement, signer), sha256);
}

export function roundClosedMessage(closed: RoundClosed, signer: Signer, sha256: Sha256): NewOutboxMessage {
  return message(SUBJECTS.roundClosed, signStatement(ROUND_CLOSED_V1, closed, signer), sha256);
}

function message(subject: string, signed: SignedBytes, sha256: Sha256): NewOutboxMessage {
  return { subject, messageId: toHex(sha256(signed.payload)), ...signed };
}

/** Little-endian IEEE 754 binary64. */
function float64Bytes(values: Float64Array): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setFloat64(8 * i, value, true);
  });
  return bytes;
}
