import { type Residues, sumModulo, toResidues } from '@fedcarbon/codec';
import { concatBytes, describeError, equalBytes, InvalidInputError } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import { KEY_BYTES, type SecureSumCrypto, SIGNATURE_BYTES } from './crypto.ts';
import { type Machine, type PersistEffect, type RefuseEffect, Turn } from './machine.ts';
import { maskOf } from './masks.ts';
import type { SumShape } from './partial-sum.ts';
import { helperMaskKey, sealedSeedStatement, seedSealKey } from './helper-keys.ts';
import { decodeMaskSum, decodeSeeds, encodeMaskSum, type Seeds } from './v1/helper-messages.ts';

/** A request of the coordinator, and noise of the helper's own to add to the sum (fresh; its length is that of the vectors). */
export interface HelperEvent {
  readonly type: 'message';
  readonly message: Uint8Array;
  readonly noise?: Int32Array;
}

export type HelperEffect =
  | PersistEffect
  | RefuseEffect
  /** To the coordinator. */
  | { readonly type: 'send'; readonly kind: 'maskSum'; readonly message: Uint8Array };

/** By round: the digest of the one request that was answered, and the answer. */
export type HelperState = ReadonlyMap<number, { readonly request: Uint8Array; readonly answer: Uint8Array }>;

const DIGEST_BYTES = 32;

/**
 * The second server: opens the seeds of one set of survivors a round, each signed by its client, and gives back the sum of their masks, never a single one. Asked again with the same
 * request it gives the same answer; with another one for the same round it refuses, also after a restart.
 */
export function twoServersHelper(
  block: Block,
  helperKey: Uint8Array,
  { crypto, privateKey }: { readonly crypto: SecureSumCrypto; readonly privateKey: Uint8Array },
): Machine<HelperState, HelperEvent, HelperEffect> {
  const agree = crypto.x25519(privateKey);

  function apply(state: HelperState, fact: Uint8Array): HelperState {
    const answer = fact.subarray(DIGEST_BYTES);
    return new Map(state).set(decodeMaskSum(block, answer).round, { request: fact.subarray(0, DIGEST_BYTES), answer });
  }

  function step(state: HelperState, { message, noise }: HelperEvent) {
    const turn = new Turn<HelperState, HelperEffect>(state, apply);
    try {
      const seeds = decodeSeeds(block, message);
      const request = crypto.sha256(message);
      const before = state.get(seeds.round);
      if (before && !equalBytes(before.request, request)) {
        throw new InvalidInputError(`round ${seeds.round} was answered for another request`);
      }
      if (!before) turn.persist(concatBytes(request, answer(seeds, noise)));
      const sent = turn.state.get(seeds.round) as { answer: Uint8Array };
      turn.emit({ type: 'send', kind: 'maskSum', message: sent.answer });
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  function answer({ round, bits, length, survivors, sealed }: Seeds, noise: Int32Array | undefined): Uint8Array {
    if (round >= block.rounds) throw new InvalidInputError(`round ${round}, the block has ${block.rounds}`);
    if (survivors.length < block.minSurvivors) {
      throw new InvalidInputError(`${survivors.length} survivors, at least ${block.minSurvivors} are needed`);
    }
    if (noise && noise.length !== length) {
      throw new InvalidInputError(`noise for ${length} integers is needed, found ${noise.length}`);
    }
    const unreadable: number[] = [];
    const masks: (Residues | Int32Array)[] = [noise ?? new Int32Array(length)];
    survivors.forEach((member, i) => {
      const seed = openSeed(member, { round, length, bits }, sealed[i] as Uint8Array);
      if (seed) masks.push(maskOf(crypto, helperMaskKey(crypto, block, seed, { member, round }), length, bits));
      else unreadable.push(member);
    });
    const values = unreadable.length > 0 ? new Uint32Array() : sumModulo(masks, bits);
    return encodeMaskSum(block, { round, unreadable, bits, values: toResidues(values, bits) });
  }

  /** Undefined when it does not open, or its member has not signed it for this very round and shape. */
  function openSeed(member: number, shape: SumShape, signed: Uint8Array): Uint8Array | undefined {
    const sealed = signed.subarray(0, -SIGNATURE_BYTES);
    const statement = sealedSeedStatement(block, member, shape, sealed);
    const publicKey = block.members[member] as Uint8Array;
    if (!crypto.verifySignature(publicKey, statement, signed.subarray(-SIGNATURE_BYTES))) return undefined;
    const ephemeral = sealed.subarray(0, KEY_BYTES);
    const keys = { ephemeral, helper: helperKey };
    const key = seedSealKey(crypto, block, agree(ephemeral), { member, round: shape.round }, keys);
    return crypto.open(key, sealed.subarray(KEY_BYTES));
  }

  return { initial: new Map(), apply, step };
}
