import { requireBits, sumModulo, toResidues } from '@fedcarbon/codec';
import { concatBytes, describeError, InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import { KEY_BYTES, SEED_BYTES, type SecureSumCrypto } from './crypto.ts';
import { helperMaskKey, sealedSeedStatement, seedSealKey } from './helper-keys.ts';
import { type Machine, type Party, restore, Turn } from './machine.ts';
import { maskOf, negated } from './masks.ts';
import type { SumShape } from './partial-sum.ts';
import type { ClientDependencies, ClientEffect, ClientEvent, ClientStanding, SecureSum } from './secure-sum.ts';
import { twoServersCoordinator, twoServersStanding } from './two-servers-coordinator.ts';
import { type HelperEffect, type HelperEvent, twoServersHelper } from './two-servers-helper.ts';
import { SEALED_SEED_BYTES } from './v1/helper-messages.ts';
import { decodeMasked, encodeMasked } from './v1/round-messages.ts';

/**
 * The secure sum with two servers that do not collude: a client sends x - PRG(seed) and, sealed for the helper and signed, the seed. Each server alone sees
 * uniform bytes; the first one learns sums of at least K_min clients, whatever it does. One message a round, no setup, any clients may drop out; the graph
 * of the block is not used. Each server may add noise of its own, so that the guarantee holds even if every client leaves its noise out.
 */
export function twoServers(
  block: Block,
  /** X25519 key of the helper, 32 bytes, from the plan. */
  helperKey: Uint8Array,
): SecureSum & {
  /** The second server. `privateKey` is the X25519 key of the helper. */
  helper(
    dependencies: { readonly crypto: SecureSumCrypto; readonly privateKey: Uint8Array },
    facts?: Iterable<Uint8Array>,
  ): Party<HelperEvent, HelperEffect>;
} {
  return {
    kind: 'two-servers',
    sealedBytes: SEALED_SEED_BYTES,
    client: (member, dependencies, facts = []) =>
      restore(twoServersClient(block, helperKey, member, dependencies), clientStanding, facts),
    coordinator: (_, facts = []) => restore(twoServersCoordinator(block), twoServersStanding(block), facts),
    helper: (dependencies, facts = []) =>
      restore(twoServersHelper(block, helperKey, dependencies), () => undefined, facts),
  };
}

/** By round: the message that is sent, and sent again. */
type TwoServersClientState = ReadonlyMap<number, Uint8Array>;

const clientStanding = (state: TwoServersClientState): ClientStanding => ({
  begun: state.size > 0,
  ready: true,
  masked: (round) => state.get(round),
});

function twoServersClient(
  block: Block,
  helperKey: Uint8Array,
  member: number,
  { crypto, signer, random }: ClientDependencies,
): Machine<TwoServersClientState, ClientEvent, ClientEffect> {
  const apply = (state: TwoServersClientState, fact: Uint8Array): TwoServersClientState =>
    new Map(state).set(decodeMasked(block, SEALED_SEED_BYTES, fact).round, fact);

  function step(state: TwoServersClientState, event: ClientEvent) {
    const turn = new Turn<TwoServersClientState, ClientEffect>(state, apply);
    try {
      if (event.type === 'contribute') {
        if (!state.has(event.round)) turn.persist(masked(event));
        send(turn, event.round);
      } else if (event.type === 'resume' && state.size > 0) send(turn, Math.max(...state.keys()));
      else if (event.type === 'message') turn.refuse('with two servers a client takes no messages');
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  function masked({ round, values, bits }: Extract<ClientEvent, { type: 'contribute' }>): Uint8Array {
    requireBits(bits);
    if (!(Number.isInteger(round) && round >= 0 && round < block.rounds)) {
      throw new InvalidInputError(`round ${round} is not one of the block's ${block.rounds}`);
    }
    const { seed, sealed } = sealFreshSeed(random, { round, length: values.length, bits });
    const mask = maskOf(crypto, helperMaskKey(crypto, block, seed, { member, round }), values.length, bits);
    const share = sumModulo([toResidues(values, bits), negated(mask, bits)], bits);
    return encodeMasked(block, { round, bits, values: share, sealed });
  }

  function sealFreshSeed(source: RandomSource, shape: SumShape) {
    const { round } = shape;
    const seed = source.bytes(SEED_BYTES);
    const privateKey = source.bytes(KEY_BYTES);
    const ephemeral = crypto.x25519PublicKey(privateKey);
    const shared = crypto.x25519(privateKey)(helperKey);
    const key = seedSealKey(crypto, block, shared, { member, round }, { ephemeral, helper: helperKey });
    const sealed = concatBytes(ephemeral, crypto.seal(key, seed));
    return { seed, sealed: concatBytes(sealed, signer.sign(sealedSeedStatement(block, member, shape, sealed))) };
  }

  function send(turn: Turn<TwoServersClientState, ClientEffect>, round: number): void {
    turn.emit({ type: 'send', kind: 'masked', message: turn.state.get(round) as Uint8Array });
  }

  return { initial: new Map(), apply, step };
}
