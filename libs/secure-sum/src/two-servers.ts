import { requireBits, sumModulo, toResidues } from '@fedcarbon/codec';
import { concatBytes, describeError, InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import { type Block, requireRound } from './block.ts';
import { KEY_BYTES, SEED_BYTES, type SecureSumCrypto } from './crypto.ts';
import { helperMaskKey, sealedSeedStatement, seedSealKey } from './helper-keys.ts';
import { type Machine, type Party, restore, Turn } from './machine.ts';
import { maskOf, negated } from './masks.ts';
import type { SumShape } from './partial-sum.ts';
import type { ClientDependencies, ClientEffect, ClientEvent, ClientStanding, SecureSum } from './secure-sum.ts';
import { twoServersCoordinator, twoServersStanding } from './two-servers-coordinator.ts';
import { type HelperEffect, type HelperEvent, twoServersHelper } from './two-servers-helper.ts';
import { kindOf } from './v1/bytes-cursor.ts';
import { SEALED_SEED_BYTES } from './v1/helper-messages.ts';
import { decodeMasked, encodeMasked } from './v1/round-messages.ts';
import { decodeBlockStart } from './v1/setup-messages.ts';

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
      restore(twoServersClient(block, helperKey, member, dependencies), (state) => clientStanding(block, state), facts),
    coordinator: (_, facts = []) => restore(twoServersCoordinator(block), twoServersStanding(block), facts),
    helper: (dependencies, facts = []) =>
      restore(twoServersHelper(block, helperKey, dependencies), () => undefined, facts),
  };
}

interface TwoServersClientState {
  /** By round: the message that is sent, and sent again. */
  readonly masked: ReadonlyMap<number, Uint8Array>;
  /** The coordinator takes nothing any more. */
  readonly excluded: boolean;
}

function clientStanding({ number, firstRound }: Block, { masked, excluded }: TwoServersClientState): ClientStanding {
  return {
    block: number,
    firstRound,
    excluded,
    begun: masked.size > 0,
    ready: true,
    masked: (round) => masked.get(round),
  };
}

function twoServersClient(
  block: Block,
  helperKey: Uint8Array,
  member: number,
  { crypto, signer, random }: ClientDependencies,
): Machine<TwoServersClientState, ClientEvent, ClientEffect> {
  function apply(state: TwoServersClientState, fact: Uint8Array): TwoServersClientState {
    if (kindOf(fact) === 'block') return { ...state, excluded: true };
    const { round } = decodeMasked(block, SEALED_SEED_BYTES, fact);
    return { ...state, masked: new Map(state.masked).set(round, fact) };
  }

  function step(state: TwoServersClientState, event: ClientEvent) {
    const turn = new Turn<TwoServersClientState, ClientEffect>(state, apply);
    try {
      if (event.type === 'contribute') {
        if (!state.masked.has(event.round)) {
          if (state.excluded) throw new InvalidInputError('this client is excluded');
          turn.persist(masked(event));
        }
        send(turn, event.round);
      } else if (event.type === 'resume' && state.masked.size > 0) send(turn, Math.max(...state.masked.keys()));
      else if (event.type === 'message') onMessage(turn, event.message);
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  /** Only that this client is excluded. */
  function onMessage(turn: Turn<TwoServersClientState, ClientEffect>, message: Uint8Array): void {
    if (!decodeBlockStart(block, message).excluded.includes(member)) {
      throw new InvalidInputError('with two servers a client is told only that it is excluded');
    }
    if (!turn.state.excluded) turn.persist(message);
  }

  function masked({ round, values, bits }: Extract<ClientEvent, { type: 'contribute' }>): Uint8Array {
    requireBits(bits);
    requireRound(block, round);
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
    turn.emit({ type: 'send', kind: 'masked', message: turn.state.masked.get(round) as Uint8Array });
  }

  return { initial: { masked: new Map(), excluded: false }, apply, step };
}
