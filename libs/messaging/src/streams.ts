import { CONSUMERS, type ConsumerSpec, STREAMS } from '@fedcarbon/contracts';
import { describeError } from '@fedcarbon/kernel';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  jetstreamManager,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { setTimeout as pause } from 'node:timers/promises';
import { type BrokerConnection, onReconnect, whileConnected } from './connection.ts';
import { brokerError } from './errors.ts';
import type { MessagingLogger } from './logger.ts';

/** Whose consumers are needed; a FederationPlan fits. */
export interface Federation {
  readonly regions: readonly {
    readonly name: string;
    readonly members: readonly { readonly holder: string }[];
  }[];
}

const DAY_MS = 86_400_000;
const RETRY_MS = 1000;
const API_ERROR_OTHER_CONFIGURATION = 10058;

/**
 * A delivery that is neither answered nor reported as in progress is repeated after this time. Short, because it is also how long a message rests that was
 * on its way when a reader or the broker died, and a round waits for it; long handlers report progress four times as often.
 */
export const ACK_WAIT_MS = 4000;

/**
 * Makes the streams and durable consumers of a federation, or brings their settings up to date. Safe to repeat and to run twice at once.
 *
 * Postgres is the record and messages are repeated from there, so streams only bridge outages: 7 days, on disk but for those of the secure sum. A full stream refuses
 * new messages (the outbox keeps them) instead of dropping old ones that somebody has not read. Nobody can delete or purge single messages.
 *
 * Consumers repeat without an upper bound: a handler fails for as long as its database is away, and a bound would turn an outage into a lost
 * message. What can never succeed is ended by the reader (InvalidInputError), not by a count.
 *
 * Throws BrokerError.
 */
export async function ensureStreams(
  connection: BrokerConnection,
  federation: Federation,
  options: { readonly replicas?: number } = {},
): Promise<void> {
  try {
    await whileConnected(connection, async () => {
      const manager = await jetstreamManager(connection);
      await Promise.all(Object.values(STREAMS).map((stream) => ensureStream(manager, stream, options.replicas ?? 1)));
      await Promise.all(consumersOf(federation).map((consumer) => ensureConsumer(manager, consumer)));
    });
  } catch (error) {
    throw brokerError('making streams and consumers', error);
  }
}

/** Every durable consumer of a federation. */
export function consumersOf(federation: Federation): readonly ConsumerSpec[] {
  return [
    CONSUMERS.global(),
    CONSUMERS.masking(),
    CONSUMERS.helper(),
    ...federation.regions.flatMap((region) => [
      CONSUMERS.regionRounds(region.name),
      CONSUMERS.regionUpdates(region.name),
      ...region.members.map((member) => CONSUMERS.holder(member.holder)),
    ]),
  ];
}

async function ensureStream(
  manager: JetStreamManager,
  stream: { readonly name: string; readonly subjects: readonly string[]; readonly inMemory?: boolean },
  replicas: number,
): Promise<void> {
  const settings = {
    subjects: [...stream.subjects],
    max_age: nanos(7 * DAY_MS),
    discard: DiscardPolicy.New,
    duplicate_window: nanos(120_000),
    deny_delete: true,
    deny_purge: true,
    num_replicas: replicas,
  };
  try {
    await manager.streams.add({
      ...settings,
      name: stream.name,
      ...(stream.inMemory === true
        ? { storage: StorageType.Memory, retention: RetentionPolicy.Workqueue }
        : { storage: StorageType.File, retention: RetentionPolicy.Limits }),
    });
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === API_ERROR_OTHER_CONFIGURATION)) throw error;
    await manager.streams.update(stream.name, settings);
  }
}

async function ensureConsumer(manager: JetStreamManager, consumer: ConsumerSpec): Promise<void> {
  await manager.consumers.add(consumer.stream, {
    durable_name: consumer.durable,
    ...(typeof consumer.filter === 'string'
      ? { filter_subject: consumer.filter }
      : { filter_subjects: [...consumer.filter] }),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
    max_ack_pending: 1000,
  });
}

/**
 * Keeps the streams and consumers in place: makes them now and after every restored connection (a broker may have come back with an empty
 * disk), and tries again until it worked. Returns a function that stops it.
 */
export function keepStreams(
  connection: BrokerConnection,
  federation: Federation,
  logger: MessagingLogger,
  options: { readonly replicas?: number } = {},
): () => void {
  let stopped = false;
  let running: Promise<void> | undefined;
  const ensure = async () => {
    let complaint = '';
    while (!stopped && !connection.isClosed()) {
      try {
        await ensureStreams(connection, federation, options);
        return;
      } catch (error) {
        const reason = describeError(error);
        if (reason !== complaint) logger.warn({ reason }, 'streams are not in place yet');
        complaint = reason;
        await pause(RETRY_MS, undefined, { ref: false });
      }
    }
  };
  const start = () => {
    running ??= ensure().finally(() => {
      running = undefined;
    });
  };
  start();
  const stopListening = onReconnect(connection, start);
  return () => {
    stopped = true;
    stopListening();
  };
}
