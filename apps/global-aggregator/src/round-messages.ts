import {
  ROUND_CLOSED_V1,
  ROUND_OPENED_V1,
  type RoundClosed,
  signAbridged,
  type SignedBytes,
  signStatement,
  SUBJECTS,
} from '@fedcarbon/contracts';
import { type Sha256, type Signer, toBase64Url } from '@fedcarbon/kernel';
import { finalWeights, type GamState } from '@fedcarbon/learning';
import { messageIdOf } from '@fedcarbon/messaging';
import type { NewOutboxMessage, NewRound } from '@fedcarbon/persistence';
import { FIRST_BLOCK } from '@fedcarbon/round';

/** What the secure sum says of a round. */
export interface RoundInSum {
  /** Of the block that the round is in. */
  readonly block: number;
  /** Members, by place in the plan, that cannot take part. */
  readonly absent: readonly number[];
}

/** The announcement of an open round. Made again from the stored round it has the same bytes. */
export function roundOpenedMessage(
  round: NewRound,
  /** After the released rounds so far. */
  learner: GamState,
  inSum: RoundInSum | undefined,
  signer: Signer,
  sha256: Sha256,
): NewOutboxMessage {
  const { planHash, roundId, index, purpose, seed, event, bits, length, openedAtMs } = round;
  const { block = FIRST_BLOCK, absent = [] } = inSum ?? {};
  const statement = {
    ...{ planHash, roundId, index, purpose, seed, event, bits, length, openedAtMs },
    ...(block === FIRST_BLOCK ? {} : { block }),
    ...(absent.length === 0 ? {} : { absent: [...absent] }),
    weights: toBase64Url(float64Bytes(purpose === 'model' ? learner.weights : publishedWeights(learner))),
  };
  return message(SUBJECTS.roundOpened, signAbridged(ROUND_OPENED_V1, statement, signer), sha256);
}

export function roundClosedMessage(closed: RoundClosed, signer: Signer, sha256: Sha256): NewOutboxMessage {
  return message(SUBJECTS.roundClosed, signStatement(ROUND_CLOSED_V1, closed, signer), sha256);
}

function message(subject: string, signed: SignedBytes, sha256: Sha256): NewOutboxMessage {
  return { subject, messageId: messageIdOf(sha256, signed), ...signed };
}

/** Those of the newest model version; none before the first. */
function publishedWeights(learner: GamState): Float64Array {
  return learner.round === 0 ? new Float64Array(0) : finalWeights(learner);
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
