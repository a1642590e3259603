import {
  type AccountantCall,
  COMMIT_REQUEST_V1,
  COMMIT_V1,
  type CommitReply,
  type CommitStatement,
  embedStatement,
  GRANT_V1,
  HISTORY_REQUEST_V1,
  HISTORY_V1,
  type HistoryReply,
  openStatement,
  RESERVE_REQUEST_V1,
  type ReserveReply,
  type ReserveRequest,
  type SignedBytes,
} from '@fedcarbon/contracts';
import { fromBase64Url } from '@fedcarbon/kernel';
import { verifySignature } from '@fedcarbon/service';
import type { TestFederation } from './example-federation.support.ts';

interface Reservation {
  readonly request: ReserveRequest;
  status: 'reserved' | 'committed' | 'expired';
  digest?: string;
}

/**
 * The accountant's side of the protocol in memory, by the rules of its contract but without a budget: it grants what it is asked for. Tests bend it through
 * `reply`, and read what it was asked and what it charged.
 */
export class FakeAccountant {
  readonly reservations = new Map<string, Reservation>();
  readonly calls: AccountantCall[] = [];
  /** Replaces or changes the answer to a call. */
  reply: (call: AccountantCall, honest: object) => unknown = (_, honest) => honest;
  readonly #federation: TestFederation;

  constructor(federation: TestFederation) {
    this.#federation = federation;
  }

  /** `<round index>/<attempt>=<digest>` of everything that is charged, in order of reservation. */
  charges(): string[] {
    return [...this.reservations.values()]
      .filter(({ status }) => status === 'committed')
      .map(
        ({ request, digest }) => `${request.roundId.split('-')[1] ?? ''}/${String(request.attempt)}=${digest ?? ''}`,
      );
  }

  /** Lets every uncommitted reservation lapse. */
  expire(): void {
    for (const reservation of this.reservations.values()) {
      if (reservation.status === 'reserved') reservation.status = 'expired';
    }
  }

  answer(call: AccountantCall, holder: string, signed: SignedBytes): unknown {
    this.calls.push(call);
    const honest = {
      reserve: () => this.#reserve(holder, signed),
      commit: () => this.#commit(holder, signed),
      history: () => this.#history(holder, signed),
    }[call]();
    return this.reply(call, honest);
  }

  #keyOf(holder: string): Uint8Array {
    const member = this.#federation.plan.regions[0]?.members.find((candidate) => candidate.holder === holder);
    return fromBase64Url(member?.publicKey ?? '');
  }

  #reserve(holder: string, signed: SignedBytes): ReserveReply {
    const request = openStatement(RESERVE_REQUEST_V1, signed, this.#keyOf(holder), verifySignature);
    const key = `${request.holder} ${request.roundId}/${String(request.attempt)}`;
    const known = this.reservations.get(key);
    if (known?.status === 'committed') return { kind: 'committed', commit: this.#statement(known) };
    this.reservations.set(key, { request, status: 'reserved' });
    const grant = embedStatement(GRANT_V1, { ...request, expiresAtMs: 1e15 }, this.#federation.keys.accountant);
    return { kind: 'granted', grant, epsilonAfter: 0, budget: { epsilon: 1, delta: 1e-5 } };
  }

  #commit(holder: string, signed: SignedBytes): CommitReply {
    const request = openStatement(COMMIT_REQUEST_V1, signed, this.#keyOf(holder), verifySignature);
    const known = this.reservations.get(`${request.holder} ${request.roundId}/${String(request.attempt)}`);
    if (known === undefined) return { kind: 'refused', reason: 'unknown_reservation' };
    if (known.status === 'expired') return { kind: 'refused', reason: 'expired' };
    if (known.status === 'committed' && known.digest !== request.updateDigest) {
      return { kind: 'refused', reason: 'digest_conflict' };
    }
    known.status = 'committed';
    known.digest = request.updateDigest;
    return { kind: 'committed', commit: this.#statement(known) };
  }

  #statement({ request, digest = '' }: Reservation) {
    const statement: CommitStatement = { ...request, updateDigest: digest };
    return embedStatement(COMMIT_V1, statement, this.#federation.keys.accountant);
  }

  #history(holder: string, signed: SignedBytes): HistoryReply {
    const request = openStatement(HISTORY_REQUEST_V1, signed, this.#keyOf(holder), verifySignature);
    const charges = [...this.reservations.values()].flatMap(({ request: reserved, status, digest }) => {
      if (reserved.holder !== holder || status === 'expired') return [];
      const { planHash, roundId, attempt, event } = reserved;
      return [{ planHash, roundId, attempt, event, status, ...(digest === undefined ? {} : { updateDigest: digest }) }];
    });
    const statement = { ...request, budget: null, charges };
    return { kind: 'history', history: embedStatement(HISTORY_V1, statement, this.#federation.keys.accountant) };
  }
}
