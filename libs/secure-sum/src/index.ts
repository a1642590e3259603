export { type Block, sessionOf } from './block.ts';
export type { SecureSumCrypto } from './crypto.ts';
export { doubleMasking } from './double-masking.ts';
export type { Machine, Party, PersistEffect, RefuseEffect } from './machine.ts';
export { maskingClient, type MaskingClientState } from './masking-client.ts';
export { maskingCoordinator, type MaskingCoordinatorState, phaseOf } from './masking-coordinator.ts';
export { addMasked, readMasked, type SumShape } from './partial-sum.ts';
export type {
  ClientDependencies,
  ClientEffect,
  ClientEvent,
  CoordinatorEffect,
  CoordinatorEvent,
  PartyDependencies,
  Phase,
  SecureSum,
} from './secure-sum.ts';
export { completeThreshold, type Graph } from './topology.ts';
export { kindOf, type MessageKind } from './v1/bytes-cursor.ts';
