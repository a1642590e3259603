import {
  type AbridgedKind,
  COMMIT_V1,
  type Decline,
  DECLINE_V1,
  type FederationPlan,
  isEmbeddedSignedBy,
  openAbridged,
  type PlanMember,
  type RoundOpened,
  type SignedBytes,
  type Update,
  UPDATE_V1,
} from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type Sha256, toHex, type VerifySignature } from '@fedcarbon/kernel';
import { memberIndex, roundIndex, type Summation } from '@fedcarbon/round';

/** A region's place in the plan. */
export interface RegionInPlan {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly region: FederationPlan['regions'][number];
  readonly summation: Summation;
}

/** Largest value of the column; a holder opens a new attempt for each charge, so this many would have cost it any budget. */
const MAX_ATTEMPT = 2 ** 31 - 1;

/**
 * The member of this region in whose subject (`fc.v1.up.<region>.<holder>.<kind>`) a message came: the broker lets nobody else write there.
 * Throws InvalidInputError.
 */
export function senderOf({ region }: RegionInPlan, subject: string): PlanMember {
  const [, , , name, holder] = subject.split('.');
  const member = region.members.find((candidate) => candidate.holder === holder);
  if (name !== region.name || member === undefined) {
    throw new InvalidInputError(`${subject}: ${String(holder)} is not a member of ${region.name}`, {
      code: 'not_a_member',
    });
  }
  return member;
}

/** An update whose sender is known. */
export interface ReadUpdate {
  readonly statement: Update;
  readonly payload: Uint8Array;
  /** SHA-256 of `payload`, hexadecimal. */
  readonly updateDigest: string;
}

/** Reads an update of `sender`. Throws InvalidInputError when it does not parse, is not signed by its sender, or belongs to no round of the plan. */
export function openUpdate(
  place: RegionInPlan,
  sender: PlanMember,
  signed: SignedBytes,
  { sha256, verifySignature }: { readonly sha256: Sha256; readonly verifySignature: VerifySignature },
): ReadUpdate {
  const statement = openSenders(UPDATE_V1, place, sender, signed, verifySignature);
  if (statement.attempt > MAX_ATTEMPT) {
    throw new InvalidInputError(`attempt ${String(statement.attempt)} is beyond ${String(MAX_ATTEMPT)}`);
  }
  const payload = fromBase64Url(statement.payload);
  return { statement, payload, updateDigest: toHex(sha256(payload)) };
}

/** Reads a decline of `sender`. Throws InvalidInputError as `openUpdate` does. */
export function openDecline(
  place: RegionInPlan,
  sender: PlanMember,
  signed: SignedBytes,
  verifySignature: VerifySignature,
): Decline {
  return openSenders(DECLINE_V1, place, sender, signed, verifySignature);
}

function openSenders<S extends { readonly roundId: string }>(
  kind: AbridgedKind<S, Pick<Update, 'planHash' | 'holder'>>,
  { plan, planHash }: RegionInPlan,
  { holder, publicKey }: PlanMember,
  signed: SignedBytes,
  verifySignature: VerifySignature,
): S & Pick<Update, 'planHash' | 'holder'> {
  const statement = openAbridged(kind, signed, () => ({ planHash, holder }), fromBase64Url(publicKey), verifySignature);
  roundIndex(plan, planHash, statement.roundId);
  return statement;
}

/**
 * Why an update cannot be used in its round; undefined when it can. The accountant's commit must be for exactly this release: holder, data set, plan, round,
 * attempt, the round's event and the digest of these very bytes.
 */
export function problemOf(
  { plan, summation }: RegionInPlan,
  { dataset }: PlanMember,
  opened: RoundOpened,
  { statement, payload, updateDigest }: ReadUpdate,
  verifySignature: VerifySignature,
): string | undefined {
  const { planHash, roundId, holder, attempt, commitSignature } = statement;
  if (opened.absent?.includes(memberIndex(plan, holder)) === true)
    return 'this holder is not in the secure sum of the round';
  const commit = {
    statement: { holder, dataset, planHash, roundId, attempt, event: opened.event, updateDigest },
    signature: commitSignature,
  };
  if (!isEmbeddedSignedBy(COMMIT_V1, commit, fromBase64Url(plan.keys.accountant), verifySignature)) {
    return 'the accountant has not signed a commit for this release';
  }
  try {
    summation.checkUpdate(opened, payload);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message.slice(0, 200);
    throw error;
  }
  return undefined;
}
