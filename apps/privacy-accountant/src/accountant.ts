import {
  COMMIT_REQUEST_V1,
  COMMIT_V1,
  type CommitReply,
  type CommitStatement,
  type Embedded,
  embedStatement,
  GRANT_V1,
  HISTORY_REQUEST_V1,
  HISTORY_V1,
  type HistoryReply,
  type HistoryStatement,
  isSignedBy,
  type MechanismEvent,
  openStatement,
  readStatement,
  RESERVE_REQUEST_V1,
  type ReserveReply,
  type ReserveRequest,
  type SignedBytes,
  signStatement,
  type StatementKind,
} from '@fedcarbon/contracts';
import {
  type Clock,
  fromBase64Url,
  InvalidInputError,
  type Signer,
  toBase64Url,
  type VerifySignature,
} from '@fedcarbon/kernel';
import { entryBytes } from '@fedcarbon/ledger';
import type { Budget, PrivacyRepository, ReserveSituation, StoredCommit } from '@fedcarbon/persistence';
import { type Accountant as Composer, type BudgetDecision, decide } from '@fedcarbon/privacy';
import type { KnownPlan, PlanDirectory } from './plan-directory.ts';

export interface AccountantParts {
  readonly record: Pick<PrivacyRepository, 'reserve' | 'find' | 'charge' | 'history'>;
  readonly plans: Pick<PlanDirectory, 'find' | 'keyOf'>;
  /** Computes what a history costs; one that remembers, as clients ask the same questions (`createAccountant`). */
  readonly composer: Composer;
  readonly signer: Signer;
  readonly verifySignature: VerifySignature;
  readonly clock: Clock;
  /** How long a reservation holds budget back without a commit. */
  readonly reservationTtlMs: number;
}

/**
 * Decides, before any noise is drawn, whether a release fits into a data set's budget, and charges it before it leaves.
 *
 * A commit is final. What is committed or reserved never costs more than the budget, under any interleaving and any clock: every reservation is decided
 * under the lock of the client's budget, and only a reservation can be committed. The clock decides when an uncommitted reservation lapses, nothing else.
 *
 * Each method takes the holder that the broker vouches for (from the subject) and the request as signed. It throws InvalidInputError for a request that
 * cannot be accepted, and DatabaseUnavailableError when the same request should be sent again; repeating any request is always safe.
 */
export class Accountant {
  readonly #parts: AccountantParts;

  constructor(parts: AccountantParts) {
    this.#parts = parts;
  }

  /** Holds budget back for one release. The same request again gets the same grant, or the commit when it was charged. */
  async reserve(sender: string, signed: SignedBytes): Promise<ReserveReply> {
    const request = readStatement(RESERVE_REQUEST_V1, signed.payload);
    const { plan } = await this.#authenticate(RESERVE_REQUEST_V1, sender, signed, request);
    const { event, ...key } = request;
    if (!sameEvent(event, plan.recipe.event) && !sameEvent(event, plan.benchmarks.event)) {
      throw new InvalidInputError('the event is not what the plan says a round costs', { code: 'wrong_event' });
    }
    const nowMs = this.#parts.clock.nowMs();
    const { situation, verdict } = await this.#parts.record.reserve(key, event, plan.privacy, nowMs, (situation) =>
      this.#verdict(request, situation, nowMs),
    );
    const { budget, existing } = situation;
    switch (verdict.kind) {
      case 'refuse':
        return {
          kind: 'refused',
          reason: verdict.reason,
          epsilonSpent: verdict.decision.epsilonBefore,
          epsilonIfGranted: verdict.decision.epsilonAfter,
          budget,
        };
      case 'grant':
        return this.#granted(request, verdict.expiresAtMs, budget, verdict.decision.epsilonAfter);
      case 'nothing':
        if (existing?.commit !== undefined) return { kind: 'committed', commit: embeddedCommit(existing.commit) };
        return this.#granted(request, verdict.expiresAtMs, budget, this.#spent(situation));
    }
  }

  #verdict(request: ReserveRequest, situation: ReserveSituation, nowMs: number) {
    const { event, ...key } = request;
    const { budget, existing, history, planOpen } = situation;
    if (existing !== undefined && !sameEvent(existing.event, event)) {
      throw new InvalidInputError('another event is reserved under this key; open the next attempt', {
        code: 'event_conflict',
      });
    }
    if (existing !== undefined && existing.status !== 'expired') {
      return { kind: 'nothing', expiresAtMs: existing.expiresAtMs } as const;
    }
    if (!planOpen) throw new InvalidInputError(`plan ${key.planHash} is completed`, { code: 'plan_completed' });

    const decision: BudgetDecision = decide({ history, event, cap: budget }, this.#parts.composer);
    if (decision.granted) {
      return { kind: 'grant', expiresAtMs: nowMs + this.#parts.reservationTtlMs, decision } as const;
    }
    const { reason } = decision;
    return {
      kind: 'refuse',
      reason,
      decision,
      ledgerEntry: entryBytes({ kind: 'privacy.refused', ...key, event, reason }),
    } as const;
  }

  #spent({ history, budget }: ReserveSituation): number {
    return this.#parts.composer.epsilonOf(history, budget.delta).epsilon;
  }

  /** Ed25519 is deterministic (RFC 8032), so equal grants are equal bytes without being stored. */
  #granted(request: ReserveRequest, expiresAtMs: number, budget: Budget, epsilonAfter: number): ReserveReply {
    const grant = embedStatement(GRANT_V1, { ...request, expiresAtMs }, this.#parts.signer);
    return { kind: 'granted', grant, epsilonAfter, budget };
  }

  /** Charges a reservation for good, for the bytes of one digest. The same digest again gets the same signed bytes. */
  async commit(sender: string, signed: SignedBytes): Promise<CommitReply> {
    const request = readStatement(COMMIT_REQUEST_V1, signed.payload);
    await this.#authenticate(COMMIT_REQUEST_V1, sender, signed, request);
    const { updateDigest, ...key } = request;
    const reservation = await this.#parts.record.find(key);
    if (reservation === undefined) return { kind: 'refused', reason: 'unknown_reservation' };
    if (reservation.status === 'reserved') {
      const statement: CommitStatement = { ...key, event: reservation.event, updateDigest };
      const { payload, signature } = signStatement(COMMIT_V1, statement, this.#parts.signer);
      const commit = { updateDigest, statement: payload, signature };
      const entry = entryBytes({ kind: 'privacy.committed', ...statement });
      if (await this.#parts.record.charge(reservation, commit, entry, this.#parts.clock.nowMs())) {
        return { kind: 'committed', commit: embeddedCommit(commit) };
      }
    }
    // Not ours to charge: expired, or charged by an earlier or a competing request.
    const { commit } = (await this.#parts.record.find(key)) ?? reservation;
    if (commit === undefined) return { kind: 'refused', reason: 'expired' };
    if (commit.updateDigest !== updateDigest) return { kind: 'refused', reason: 'digest_conflict' };
    return { kind: 'committed', commit: embeddedCommit(commit) };
  }

  /** Everything that counts against a data set, so that a holder can rebuild a lost journal. */
  async history(sender: string, signed: SignedBytes): Promise<HistoryReply> {
    const { holder, dataset, nonce } = readStatement(HISTORY_REQUEST_V1, signed.payload);
    assertSender(sender, holder);
    openStatement(
      HISTORY_REQUEST_V1,
      signed,
      await this.#parts.plans.keyOf(holder, dataset),
      this.#parts.verifySignature,
    );
    const { budget, charges } = await this.#parts.record.history({ holder, dataset }, this.#parts.clock.nowMs());
    const history: HistoryStatement = {
      holder,
      dataset,
      nonce,
      budget: budget ?? null,
      charges: charges.map(({ planHash, roundId, attempt, event, commit }) => ({
        planHash,
        roundId,
        attempt,
        event,
        status: commit === undefined ? ('reserved' as const) : ('committed' as const),
        ...(commit === undefined ? {} : { updateDigest: commit.updateDigest }),
      })),
    };
    return { kind: 'history', history: embedStatement(HISTORY_V1, history, this.#parts.signer) };
  }

  /** The plan of a request, after checking that its holder is a member with this data set, signed it, and sent it. */
  async #authenticate(
    kind: StatementKind<unknown>,
    sender: string,
    signed: SignedBytes,
    request: { readonly holder: string; readonly dataset: string; readonly planHash: string; readonly roundId: string },
  ): Promise<KnownPlan> {
    const { holder, dataset, planHash, roundId } = request;
    assertSender(sender, holder);
    const known = await this.#parts.plans.find(planHash);
    const member = known.members.get(holder);
    if (member?.dataset !== dataset) {
      throw new InvalidInputError(`plan ${planHash} has no member "${holder}" with a data set "${dataset}"`, {
        code: 'not_a_member',
      });
    }
    if (!isSignedBy(kind, signed, fromBase64Url(member.publicKey), this.#parts.verifySignature)) {
      throw new InvalidInputError(`the request is not signed by "${holder}"`, { code: 'bad_signature' });
    }
    if (known.plan.keys.accountant !== toBase64Url(this.#parts.signer.publicKey)) {
      throw new InvalidInputError(`plan ${planHash} names another accountant`, { code: 'other_accountant' });
    }
    if (!roundId.startsWith(`${planHash.slice(0, 12)}-`)) {
      throw new InvalidInputError(`round ${roundId} is not of plan ${planHash}`, { code: 'wrong_round' });
    }
    return known;
  }
}

function assertSender(sender: string, holder: string): void {
  if (sender !== holder) {
    throw new InvalidInputError(`the request speaks for "${holder}" but came from "${sender}"`, {
      code: 'other_holder',
    });
  }
}

function sameEvent(a: MechanismEvent, b: MechanismEvent): boolean {
  return a.sigmaSquared === b.sigmaSquared && a.sensitivitySquared === b.sensitivitySquared && a.steps === b.steps;
}

/** What was stored when it was charged, never signed anew. */
function embeddedCommit({ statement, signature }: StoredCommit): Embedded<CommitStatement> {
  return { statement: readStatement(COMMIT_V1, statement), signature: toBase64Url(signature) };
}
