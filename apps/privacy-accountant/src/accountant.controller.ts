import { type CommitReply, type HistoryReply, PATTERNS, type ReserveReply } from '@fedcarbon/contracts';
import { REQUEST_REPLY, type SignedRequest } from '@fedcarbon/messaging';
import { DatabaseUnavailableError } from '@fedcarbon/persistence';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Accountant } from './accountant.ts';

type ErrorReply = Extract<ReserveReply, { kind: 'error' }>;

/** Requests of data holders. The transport answers InvalidInputError, whose code says what was wrong. */
@Controller()
export class AccountantController {
  readonly #accountant: Accountant;

  constructor(@Inject(Accountant) accountant: Accountant) {
    this.#accountant = accountant;
  }

  @MessagePattern(PATTERNS.accountant('reserve'), REQUEST_REPLY)
  reserve(@Payload() request: SignedRequest): Promise<ReserveReply> {
    return orAskAgain(this.#accountant.reserve(senderOf(request), request));
  }

  @MessagePattern(PATTERNS.accountant('commit'), REQUEST_REPLY)
  commit(@Payload() request: SignedRequest): Promise<CommitReply> {
    return orAskAgain(this.#accountant.commit(senderOf(request), request));
  }

  @MessagePattern(PATTERNS.accountant('history'), REQUEST_REPLY)
  history(@Payload() request: SignedRequest): Promise<HistoryReply> {
    return orAskAgain(this.#accountant.history(senderOf(request), request));
  }
}

/** `fc.v1.accountant.<holder>.<call>`: the broker lets a holder publish under its own name only. */
function senderOf({ subject }: SignedRequest): string {
  return subject.split('.')[3] ?? '';
}

/** An unreachable database is an answer too: the holder need not wait for its timeout to ask again. */
async function orAskAgain<Reply>(reply: Promise<Reply>): Promise<Reply | ErrorReply> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) return { kind: 'error', code: error.code, message: error.message };
    throw error;
  }
}
