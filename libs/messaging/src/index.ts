export { Batches } from './batches.ts';
export { type BrokerConnection, brokerStatus, connectBroker, onReconnect, onSignal } from './connection.ts';
export { BrokerAccessError, BrokerError, BrokerTimeoutError } from './errors.ts';
export {
  type Delivery,
  type DeliveryCounts,
  JETSTREAM,
  JetStreamServer,
  type JetStreamServerOptions,
} from './jetstream-server.ts';
export type { MessagingLogger } from './logger.ts';
export { type OutboxMessage, OutboxPump, type OutboxSource } from './outbox-pump.ts';
export { type BrokerRights, type BrokerService, permissionsFor } from './permissions.ts';
export { type OutgoingMessage, publishSigned, requestSigned } from './publish.ts';
export { REQUEST_REPLY, RequestServer, type RequestServerOptions, type SignedRequest } from './request-server.ts';
export { type BrokerUser, natsServerConfig } from './server-config.ts';
export { messageBytes, messageIdOf, signedBytesOf } from './signed-message.ts';
export { consumersOf, ensureStreams, type Federation, keepStreams } from './streams.ts';
