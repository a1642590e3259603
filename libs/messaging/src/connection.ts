import { type BrokerAccess, inboxPrefix } from '@fedcarbon/contracts';
import { describeError } from '@fedcarbon/kernel';
import { type NatsConnection, errors } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerAccessError, BrokerError } from './errors.ts';
import type { MessagingLogger } from './logger.ts';

/** A connection of one broker user. */
export type BrokerConnection = NatsConnection;

const RECONNECT_WAIT_MS = 250;
const FIRST_CONNECT_WAIT_MS = 1000;

interface Watch {
  connected: boolean;
  readonly onReconnect: Set<() => void>;
  readonly onDisconnect: Set<() => void>;
}
const watches = new WeakMap<NatsConnection, Watch>();

/**
 * Connects one broker user. Waits for a broker that is not there yet, with a log line at each try, and reconnects for ever once it was.
 * Reply inboxes lie under the user's own prefix, the only subjects that it may subscribe to.
 * Throws BrokerAccessError when the broker refuses the user at the first try.
 */
export async function connectBroker(options: {
  readonly access: BrokerAccess;
  /** Shown on the broker's monitoring pages. */
  readonly name: string;
  readonly logger: MessagingLogger;
}): Promise<BrokerConnection> {
  const { access, name, logger } = options;
  const servers = access.servers.join(', ');
  for (;;) {
    try {
      const connection = await connect({
        servers: [...access.servers],
        user: access.user,
        pass: access.password,
        name,
        inboxPrefix: inboxPrefix(access.user),
        timeout: 5000,
        reconnect: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_WAIT_MS,
        reconnectJitter: RECONNECT_WAIT_MS,
        // A broker may come back before its user list does.
        ignoreAuthErrorAbort: true,
        // A broker that is gone without closing the connection is noticed after pingInterval * maxPingOut.
        pingInterval: 5000,
        maxPingOut: 2,
        // Their errors are wrapped in ours; a stack for each request, in case it fails, is work.
        noAsyncTraces: true,
      });
      watch(connection, { user: access.user, servers }, logger);
      return connection;
    } catch (error) {
      if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
        throw new BrokerAccessError(
          `the broker at ${servers} refuses user "${access.user}": check its name and password in the configuration`,
          { cause: error },
        );
      }
      logger.warn({ user: access.user, servers, reason: describeError(error) }, 'waiting for the broker');
      await pause(FIRST_CONNECT_WAIT_MS);
    }
  }
}

function watch(connection: NatsConnection, fields: object, logger: MessagingLogger): void {
  const state: Watch = { connected: true, onReconnect: new Set(), onDisconnect: new Set() };
  watches.set(connection, state);
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        if (state.connected) logger.warn(fields, 'broker connection lost, reconnecting');
        state.connected = false;
        for (const listener of state.onDisconnect) listener();
      } else if (status.type === 'reconnect') {
        state.connected = true;
        logger.info(fields, 'broker connection restored');
        for (const listener of state.onReconnect) listener();
      } else if (status.type === 'error') {
        logger.warn({ ...fields, reason: status.error.message }, 'broker error');
      }
    }
    state.connected = false;
  })();
}

/** `true` while connected, else a reason; for readiness probes. */
export function brokerStatus(connection: BrokerConnection): true | string {
  if (connection.isClosed()) return 'broker connection is closed';
  return (watches.get(connection)?.connected ?? true) || 'broker is not reachable';
}

/** Calls `listener` after every restored connection. Returns a function that stops it. */
export function onReconnect(connection: BrokerConnection, listener: () => void): () => void {
  const state = watches.get(connection);
  if (state === undefined) throw new TypeError('onReconnect needs a connection made by connectBroker');
  state.onReconnect.add(listener);
  return () => state.onReconnect.delete(listener);
}

/**
 * Runs `work`, which waits for an answer of the broker, but not beyond the connection: an answer that was on its way when the connection broke never
 * comes, and the client library would wait until its time limit. Throws BrokerError then, and at once when there is no connection.
 */
export async function whileConnected<T>(connection: BrokerConnection, work: () => Promise<T>): Promise<T> {
  const state = watches.get(connection);
  if (state === undefined) return work();
  if (!state.connected) throw new BrokerError('the broker is not reachable');
  let lost: () => void = () => undefined;
  const disconnected = new Promise<never>((_, reject) => {
    lost = () => {
      reject(new BrokerError('the broker connection was lost before the answer came'));
    };
  });
  state.onDisconnect.add(lost);
  try {
    return await Promise.race([work(), disconnected]);
  } finally {
    state.onDisconnect.delete(lost);
  }
}

/** Calls `listener` for each message that others publish on `subject` while connected; nothing is stored or repeated. Returns a function that stops it. */
export function onSignal(connection: BrokerConnection, subject: string, listener: () => void): () => void {
  const subscription = connection.subscribe(subject, {
    callback: (error) => {
      if (error === null) listener();
    },
  });
  return () => {
    subscription.unsubscribe();
  };
}
