import { FedcarbonError, describeError } from '@fedcarbon/kernel';
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';

/** The broker did not do what was asked. Asking again later may help: every message of this system may be sent twice. */
export class BrokerError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown; code?: string }) {
    super(options?.code ?? 'broker_unavailable', message, options);
  }
}

/** No answer in time. Whether the other side acted is unknown, so ask again: requests are answered by what is stored. */
export class BrokerTimeoutError extends BrokerError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, { ...options, code: 'broker_timeout' });
  }
}

/** The broker does not know this user, or its password is another one. */
export class BrokerAccessError extends BrokerError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, { ...options, code: 'broker_access_denied' });
  }
}

/** What a client library error means to a caller; `what` says which step failed. */
export function brokerError(what: string, cause: unknown): BrokerError {
  if (cause instanceof BrokerError) return cause;
  // The library wraps what went wrong with a request into a RequestError.
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
  if (cause instanceof errors.TimeoutError) return new BrokerTimeoutError(`${what}: no answer in time`, { cause });
  if (inner instanceof errors.PermissionViolationError) {
    return new BrokerAccessError(`${what}: this broker user has no right to it`, { cause });
  }
  if (inner instanceof errors.NoRespondersError || (inner instanceof errors.RequestError && inner.isNoResponders())) {
    return new BrokerError(`${what}: nobody listens there yet (no stream or no service takes this subject)`, { cause });
  }
  return new BrokerError(`${what}: ${describeError(inner)}`, { cause });
}

/** Whether the stream or consumer that was asked for does not exist (yet). */
export function isMissing(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.code === 10014 || error.code === 10059;
  return error instanceof JetStreamError && /not found|deleted/i.test(error.message);
}
