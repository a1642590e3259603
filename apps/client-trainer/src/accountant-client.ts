import {
  COMMIT_REQUEST_V1,
  COMMIT_V1,
  CommitReply,
  type CommitRequest,
  type CommitStatement,
  type Embedded,
  GRANT_V1,
  HISTORY_REQUEST_V1,
  HISTORY_V1,
  HistoryReply,
  type HistoryStatement,
  isEmbeddedSignedBy,
  type MechanismEvent,
  parseStrict,
  RESERVE_REQUEST_V1,
  ReserveReply,
  signStatement,
  SUBJECTS,
  type AccountantCall,
  type SignedBytes,
} from '@fedcarbon/contracts';
import {
  canonicalJson,
  describeError,
  FedcarbonError,
  fromBase64Url,
  fromUtf8,
  type Json,
  type Signer,
  type VerifySignature,
} from '@fedcarbon/kernel';
import type { z } from 'zod';
import type { HolderLink } from './ports.ts';

/**
 * The accountant gave no answer that can be used: an error, nonsense, or a statement that its key has not signed or that is about something else.
 * Not an InvalidInputError, because the task is in order: it is tried again.
 */
export class AccountantAnswerError extends FedcarbonError {
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(code, `accountant: ${message}`, options);
  }
}

/** The accountant has looked at the request and refuses it for good: a completed plan, a holder or an event that it does not know. */
export class AccountantRefusalError extends FedcarbonError {
  constructor(code: string, message: string) {
    super(code, `the accountant refuses the request: ${message}`);
  }
}

/** Errors that say nothing about the request; every other code does. */
const TRANSIENT_CODES: readonly string[] = ['internal', 'database_unavailable'];

/** What a charge is for. */
export type Charge = Omit<CommitRequest, 'updateDigest'>;
type Charges = HistoryStatement['charges'];

export type ReserveAnswer =
  | { readonly kind: 'granted' }
  | { readonly kind: 'refused'; readonly reason: string; readonly epsilonIfGranted: number }
  | { readonly kind: 'committed'; readonly commit: Embedded<CommitStatement> };

export type CommitAnswer =
  | { readonly kind: 'committed'; readonly commit: Embedded<CommitStatement> }
  | Extract<CommitReply, { kind: 'refused' }>;

/** Asks the privacy-accountant on behalf of one holder and believes nothing that its key has not signed, word for word. */
export class AccountantClient {
  readonly #link: HolderLink;
  readonly #signer: Signer;
  readonly #verify: VerifySignature;
  readonly #key: Uint8Array;

  /** `accountantKey`: Ed25519 public key, base64url. */
  constructor(parts: {
    readonly link: HolderLink;
    readonly signer: Signer;
    readonly verify: VerifySignature;
    readonly accountantKey: string;
  }) {
    this.#link = parts.link;
    this.#signer = parts.signer;
    this.#verify = parts.verify;
    this.#key = fromBase64Url(parts.accountantKey);
  }

  /** May `event` be released? A grant is for exactly this charge and event. Throws AccountantAnswerError, AccountantRefusalError, and whatever the link throws. */
  async reserve(charge: Charge, event: MechanismEvent): Promise<ReserveAnswer> {
    const signed = signStatement(RESERVE_REQUEST_V1, { ...charge, event }, this.#signer);
    const reply = noError(await this.#ask(ReserveReply, charge.holder, 'reserve', signed));
    switch (reply.kind) {
      case 'granted': {
        const { expiresAtMs: _, ...granted } = reply.grant.statement;
        requireSame('grant', granted, { ...charge, event });
        if (!isEmbeddedSignedBy(GRANT_V1, reply.grant, this.#key, this.#verify)) throw notSigned('grant');
        return { kind: 'granted' };
      }
      case 'committed':
        this.#requireCommit(reply.commit, { ...charge, event, updateDigest: reply.commit.statement.updateDigest });
        return reply;
      case 'refused':
        return reply;
    }
  }

  /** Charges the bytes of this digest. Only the returned commit allows their release. Throws AccountantAnswerError, AccountantRefusalError, and whatever the link throws. */
  async commit(charge: Charge, event: MechanismEvent, updateDigest: string): Promise<CommitAnswer> {
    const signed = signStatement(COMMIT_REQUEST_V1, { ...charge, updateDigest }, this.#signer);
    const reply = noError(await this.#ask(CommitReply, charge.holder, 'commit', signed));
    if (reply.kind === 'committed') this.#requireCommit(reply.commit, { ...charge, event, updateDigest });
    return reply;
  }

  /** Everything ever charged to the data set. `nonce`: 64 hexadecimal digits, fresh. Throws AccountantAnswerError, AccountantRefusalError, and whatever the link throws. */
  async history(owner: { readonly holder: string; readonly dataset: string }, nonce: string): Promise<Charges> {
    const signed = signStatement(HISTORY_REQUEST_V1, { ...owner, nonce }, this.#signer);
    const { history } = noError(await this.#ask(HistoryReply, owner.holder, 'history', signed));
    const { holder, dataset, nonce: answered, charges } = history.statement;
    // A holder without a journal believes what it is told here, so it must be fresh and the accountant's own words.
    requireSame('history', { holder, dataset, nonce: answered }, { ...owner, nonce });
    if (!isEmbeddedSignedBy(HISTORY_V1, history, this.#key, this.#verify)) throw notSigned('history');
    return charges;
  }

  async #ask<T>(schema: z.ZodType<T>, holder: string, call: AccountantCall, signed: SignedBytes): Promise<T> {
    const bytes = await this.#link.request(SUBJECTS.accountant(holder, call), signed);
    try {
      return parseStrict(schema, JSON.parse(fromUtf8(bytes)), `answer to ${call}`);
    } catch (cause) {
      throw new AccountantAnswerError('bad_answer', describeError(cause), { cause });
    }
  }

  #requireCommit(commit: Embedded<CommitStatement>, expected: CommitStatement): void {
    requireSame('commit', commit.statement, expected);
    if (!isEmbeddedSignedBy(COMMIT_V1, commit, this.#key, this.#verify)) throw notSigned('commit');
  }
}

interface ErrorReply {
  readonly kind: 'error';
  readonly code: string;
  readonly message: string;
}

function noError<T extends { readonly kind: string }>(reply: T | ErrorReply): Exclude<T, ErrorReply> {
  if (reply.kind !== 'error') return reply as Exclude<T, ErrorReply>;
  const { code, message } = reply as ErrorReply;
  throw TRANSIENT_CODES.includes(code)
    ? new AccountantAnswerError(code, message)
    : new AccountantRefusalError(code, message);
}

function requireSame(what: string, found: object, expected: object): void {
  if (canonicalJson(found as Json) === canonicalJson(expected as Json)) return;
  throw new AccountantAnswerError(
    `forged_${what}`,
    `the ${what} is about ${canonicalJson(found as Json)}, not about what was asked`,
  );
}

function notSigned(what: string): AccountantAnswerError {
  return new AccountantAnswerError(`forged_${what}`, `the ${what} is not signed by the accountant's key of the plan`);
}
