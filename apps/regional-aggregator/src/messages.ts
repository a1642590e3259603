import {
  COMMIT_V1,
  type Decline,
  DECLINE_V1,
  type FederationPlan,
  isEmbeddedSignedBy,
  isSignedBy,
  type PlanMember,
  readStatement,
  type RoundOpened,
  type SignedBytes,
  type StatementKind,
  type Update,
  UPDATE_V1,
} from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type Sha256, toHex, type VerifySignature } from '@fedcarbon/kernel';
import { lastIndex, roundIdOf, type Summation } from '@fedcarbon/round';

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

/** Throws InvalidInputError (`wrong_plan`, `unknown_round`) unless the plan can have such a round. */
export function checkRoundId({ plan, planHash }: RegionInPlan, statement: { planHash: string; roundId: string }): void {
  const { roundId } = statement;
  if (statement.planHash !== planHash) {
    throw new InvalidInputError(`it is under plan ${statement.planHash}, this region works under ${planHash}`, {
      code: 'wrong_plan',
    });
  }
  const index = Number(roundId.split('-')[1]);
  if (roundId !== roundIdOf(planHash, index) || index > lastIndex(plan)) {
    throw new InvalidInputError(`the plan has no round ${roundId}`, { code: 'unknown_round' });
  }
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
  const statement = openSenders(UPDATE_V1, sender, signed, verifySignature);
  checkRoundId(place, statement);
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
  const statement = openSenders(DECLINE_V1, sender, signed, verifySignature);
  checkRoundId(place, statement);
  return statement;
}

function openSenders<T extends { readonly holder: string }>(
  kind: StatementKind<T>,
  sender: PlanMember,
  signed: SignedBytes,
  verifySignature: VerifySignature,
): T {
  const statement = readStatement(kind, signed.payload);
  if (!isSignedBy(kind, signed, fromBase64Url(sender.publicKey), verifySignature)) {
    throw new InvalidInputError(`${kind.kind} of ${sender.holder}: the signature is not by its key`, {
      code: 'bad_signature',
    });
  }
  if (statement.holder !== sender.holder) {
    throw new InvalidInputError(`${kind.kind}: ${sender.holder} sent it as ${statement.holder}`, {
      code: 'wrong_sender',
    });
  }
  return statement;
}

/**
 * Why an update cannot be used in its round; undefined when it can. The accountant's commit must be for exactly this release: holder, data set, plan, round,
 * attempt, the round's event and the digest of these very bytes.
 */
export function problemOf(
  { plan, planHash, summation }: RegionInPlan,
  { dataset }: PlanMember,
  opened: RoundOpened,
  { statement, payload, updateDigest }: ReadUpdate,
  verifySignature: VerifySignature,
): string | undefined {
  const { holder, roundId, attempt, commit } = statement;
  const charge = commit.statement;
  if (!isEmbeddedSignedBy(COMMIT_V1, commit, fromBase64Url(plan.keys.accountant), verifySignature)) {
    return 'the commit is not signed by the accountant';
  }
  const expected = { holder, dataset, planHash, roundId, attempt, updateDigest };
  for (const [name, value] of Object.entries(expected)) {
    if (charge[name as keyof typeof expected] !== value) return `the commit is for another ${name}`;
  }
  const { event } = opened;
  if (
    charge.event.sigmaSquared !== event.sigmaSquared ||
    charge.event.sensitivitySquared !== event.sensitivitySquared ||
    charge.event.steps !== event.steps
  ) {
    return 'the commit is for another mechanism than the round has';
  }
  try {
    summation.checkUpdate(opened, payload);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message.slice(0, 200);
    throw error;
  }
  return undefined;
}
