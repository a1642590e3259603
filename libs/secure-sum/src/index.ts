export { type Block, type BlockStart, blockFrom, sessionOf } from './block.ts';
export type { SecureSumCrypto } from './crypto.ts';
export { doubleMasking } from './double-masking.ts';
export type { Party, PersistEffect, RefuseEffect } from './machine.ts';
export { addMasked, readMasked, readPartial, type SumShape } from './partial-sum.ts';
export type {
  ClientDependencies,
  ClientEffect,
  ClientEvent,
  ClientParty,
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorParty,
  CoordinatorStanding,
  PartyDependencies,
  Phase,
  SecureSum,
} from './secure-sum.ts';
export { leastSurvivors } from './secure-sum.ts';
export { completeThreshold, type Graph } from './topology.ts';
export { kindOf, type MessageKind } from './v1/bytes-cursor.ts';
export { deltaOfNoiseShares, sumOfDiscreteGaussiansTau } from './discrete-gaussian-sum.ts';
export { type MaskingCost, maskingCost } from './masking-cost.ts';
export { noiseShare } from './noise-share.ts';
export { graphFor, type SparseParameters, sparseParameters, type SparseRequirements } from './sparse-parameters.ts';
export { twoServers } from './two-servers.ts';
export type { HelperEffect, HelperEvent } from './two-servers-helper.ts';
export { decodeWeightedMean, encodeWeighted, maxWeight, type WeightScale, weightOf } from './weighted-mean.ts';
