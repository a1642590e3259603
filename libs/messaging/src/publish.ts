import type { SignedBytes } from '@fedcarbon/contracts';
import { jetstream } from '@nats-io/jetstream';
import { type BrokerConnection, whileConnected } from './connection.ts';
import { brokerError } from './errors.ts';
import { bodyOf } from './signed-message.ts';

/** A signed statement on its way to a stream. */
export interface OutgoingMessage extends SignedBytes {
  readonly subject: string;
  /** The stream keeps one message of each id within its duplicate window (2 minutes). */
  readonly messageId: string;
}

/**
 * Stores a message in its stream and waits until the broker has it on disk. Returns whether it was there already.
 * Throws BrokerTimeoutError without an answer in time (publish again with the same id), BrokerError for anything else.
 */
export async function publishSigned(
  connection: BrokerConnection,
  message: OutgoingMessage,
  timeoutMs = 5000,
): Promise<{ readonly duplicate: boolean }> {
  try {
    const { duplicate } = await whileConnected(connection, () =>
      jetstream(connection).publish(message.subject, bodyOf(message), {
        msgID: message.messageId,
        timeout: timeoutMs,
      }),
    );
    return { duplicate };
  } catch (error) {
    throw brokerError(`publishing to ${message.subject}`, error);
  }
}

/**
 * Asks a service and returns the bytes of its answer; the request and its signature travel as in streams.
 * Throws BrokerTimeoutError without an answer in `timeoutMs`, BrokerError when nobody listens or the connection is gone.
 */
export async function requestSigned(
  connection: BrokerConnection,
  subject: string,
  signed: SignedBytes,
  timeoutMs: number,
): Promise<Uint8Array> {
  try {
    const reply = await whileConnected(connection, () =>
      connection.request(subject, bodyOf(signed), { timeout: timeoutMs }),
    );
    return reply.data;
  } catch (error) {
    throw brokerError(`asking ${subject}`, error);
  }
}
