import type { Residues } from '@fedcarbon/codec';
import type { RandomSource, Signer } from '@fedcarbon/kernel';
import type { SecureSumCrypto } from './crypto.ts';
import type { Party, PersistEffect, RefuseEffect } from './machine.ts';
import { completeThreshold } from './topology.ts';
import type { MessageKind } from './v1/bytes-cursor.ts';

/** What happens to a client. */
export type ClientEvent =
  /** Take part in the block, at first or when another one has begun. Again: send the same once more. */
  | { readonly type: 'join' }
  /** A message of the coordinator. */
  | { readonly type: 'message'; readonly message: Uint8Array }
  /** The client's vector for a round, its noise included. A second one for the same round is never looked at: the first message is sent again. */
  | {
      readonly type: 'contribute';
      readonly round: number;
      readonly values: Int32Array | Uint32Array;
      readonly bits: number;
    }
  /** After a restart: send again what may not have arrived. */
  | { readonly type: 'resume' };

export type ClientEffect =
  | PersistEffect
  | RefuseEffect
  /** To the client's aggregator. A `masked` message is a release: it must be charged before it is sent. */
  | { readonly type: 'send'; readonly kind: MessageKind; readonly message: Uint8Array };

/** The waiting periods of a block and of a round. A deadline of another phase or round than the present one changes nothing. */
export type Phase = 'hello' | 'shares' | 'masked' | 'consent' | 'answer';

/** What happens to the coordinator. */
export type CoordinatorEvent =
  /** A message of a client (its place in the plan), whose transport signature has been checked. */
  | { readonly type: 'message'; readonly from: number; readonly message: Uint8Array }
  /** A region's sum, whose transport signature has been checked: see `addMasked`. */
  | { readonly type: 'partial'; readonly message: Uint8Array }
  /** A message of the helper, of secure sums that have one. */
  | { readonly type: 'helper'; readonly message: Uint8Array }
  | { readonly type: 'open'; readonly round: number; readonly length: number; readonly bits: number }
  /** Go on with what there is. `round` for the phases of a round. */
  | { readonly type: 'deadline'; readonly phase: Phase; readonly round?: number }
  /** The last round has named members that are to be excluded: begin another block without them, which has the rounds from `round` on. */
  | { readonly type: 'setUp'; readonly round: number }
  /** After a restart: send again what may not have arrived. */
  | { readonly type: 'resume' };

export type CoordinatorEffect =
  | PersistEffect
  | RefuseEffect
  | {
      readonly type: 'send';
      readonly to: readonly number[] | 'helper';
      readonly kind: MessageKind;
      readonly message: Uint8Array;
    }
  /** Clients may contribute from now on; these can. */
  | { readonly type: 'ready'; readonly members: readonly number[] }
  | {
      readonly type: 'opened';
      readonly round: number;
      readonly survivors: readonly number[];
      /** Modulo 2^bits; `toSigned` of @fedcarbon/codec lifts it. */
      readonly sum: Residues;
    }
  /** The round stays closed for ever; its charges stand. `excluded` kept it from being opened, and take no part in later rounds. */
  | {
      readonly type: 'abandoned';
      readonly round: number;
      readonly reason: string;
      readonly excluded: readonly number[];
    }
  /** The block cannot be set up. */
  | { readonly type: 'failed'; readonly reason: string };

/** Where a client stands. */
export interface ClientStanding {
  /** The block that it is in, and the first round of that. */
  readonly block: number;
  readonly firstRound: number;
  /** The coordinator takes nothing from it any more. */
  readonly excluded: boolean;
  /** It has persisted something of the block, besides its beginning. */
  readonly begun: boolean;
  /** The block is set up: vectors can be masked. */
  readonly ready: boolean;
  /** The message of a round, once it is masked, in whatever block. */
  masked(round: number): Uint8Array | undefined;
}

/** Where the coordinator stands. */
export interface CoordinatorStanding {
  /** The block that it is in. */
  readonly block: number;
  /** Who takes no part in later rounds; with double masking it is set up anew when one is added. */
  readonly excluded: readonly number[];
  /** Who can contribute; undefined until the block is set up. */
  readonly members: readonly number[] | undefined;
  /** What it waits for; undefined between rounds. */
  readonly phase: Phase | undefined;
  /** The round that is open. */
  readonly round: number | undefined;
  /** How many more answers may open its sum; undefined until they are asked for. */
  readonly answersWanted: number | undefined;
}

export type ClientParty = Party<ClientEvent, ClientEffect, ClientStanding>;
export type CoordinatorParty = Party<CoordinatorEvent, CoordinatorEffect, CoordinatorStanding>;

/** What a party is built with. */
export interface PartyDependencies {
  readonly crypto: SecureSumCrypto;
  /** The party's identity key in the plan. */
  readonly signer: Signer;
}

export interface ClientDependencies extends PartyDependencies {
  /** Read once a block, and by clients with a helper once a round: what is drawn is persisted. */
  readonly random: RandomSource;
}

/** The least K_min that a secure sum allows: two sets must not open in one round, and a sum of one would be an update. */
export function leastSurvivors(kind: SecureSum['kind'], members: number): number {
  return kind === 'double-masking' ? completeThreshold(members) : 2;
}

/** A secure sum over the clients of a plan: the coordinator learns the sum of a round over at least K_min clients, or nothing. */
export interface SecureSum {
  readonly kind: 'double-masking' | 'two-servers';
  /** Bytes that a masked message carries for a helper; regions need it to add messages up (`addMasked`). */
  readonly sealedBytes: number;
  /** `member` is the client's place in the plan; `facts` what it has persisted so far. */
  client(member: number, dependencies: ClientDependencies, facts?: Iterable<Uint8Array>): ClientParty;
  coordinator(dependencies: PartyDependencies, facts?: Iterable<Uint8Array>): CoordinatorParty;
}
