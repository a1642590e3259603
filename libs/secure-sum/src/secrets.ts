import { concatBytes } from '@fedcarbon/kernel';
import { context, KEY_BYTES, SEED_BYTES, type SecureSumCrypto } from './crypto.ts';

/**
 * Derivations of one block. A client draws one seed of 32 bytes; all else follows from it, so a client that restarts from its seed sends the same bytes.
 * Everything that others recompute is bound to the session, the client and the round.
 */
export class BlockKeys {
  readonly #crypto: SecureSumCrypto;
  readonly #session: Uint8Array;

  constructor(crypto: SecureSumCrypto, session: Uint8Array) {
    this.#crypto = crypto;
    this.#session = session;
  }

  /** Private key of the channels to the peers. */
  sessionPrivateKey(clientSeed: Uint8Array): Uint8Array {
    return this.#derive(clientSeed, context('session-key'), KEY_BYTES);
  }

  /** Seed of the client's own mask of a round, 16 bytes: opened when the client is in the sum. */
  selfSeed(clientSeed: Uint8Array, round: number): Uint8Array {
    return this.#derive(clientSeed, context('self-seed', round), SEED_BYTES);
  }

  /** Seed of the key that the client masks with in a round, 16 bytes: opened when the client is not in the sum. */
  keySeed(clientSeed: Uint8Array, round: number): Uint8Array {
    return this.#derive(clientSeed, context('key-seed', round), SEED_BYTES);
  }

  /** X25519 private key of `member` for `round`. */
  maskPrivateKey(keySeed: Uint8Array, member: number, round: number): Uint8Array {
    return this.#derive(keySeed, context('mask-key', member, round), KEY_BYTES);
  }

  /** What is published of a self seed beforehand, 16 bytes: by it a seed put together from shares is known to be right. */
  selfSeedCommitment(selfSeed: Uint8Array, member: number, round: number): Uint8Array {
    return this.#derive(selfSeed, context('self-commitment', member, round), SEED_BYTES);
  }

  /** Key of the own mask of `member`. */
  selfMaskKey(selfSeed: Uint8Array, member: number, round: number): Uint8Array {
    return this.#derive(selfSeed, context('self-mask', member, round), KEY_BYTES);
  }

  /** Key of the mask between two clients, from the secret that their mask keys of the round share. */
  pairMaskKey(shared: Uint8Array, members: readonly [number, number], round: number): Uint8Array {
    const [low, high] = members[0] < members[1] ? members : [members[1], members[0]];
    return this.#derive(shared, context('pair-mask', low, high, round), KEY_BYTES);
  }

  /**
   * Shares of the secrets of `from` that `to` knows without being sent them, `length` bytes, from the secret that their session keys share: uniform to
   * everybody else.
   */
  impliedShare(shared: Uint8Array, rosterHash: Uint8Array, from: number, to: number, length: number): Uint8Array {
    return this.#crypto.chacha20(this.#channelKey('share', shared, rosterHash, from, to), length);
  }

  /** Key that seals the shares of `from` for `to`, whose session keys share a secret. */
  sealKey(shared: Uint8Array, rosterHash: Uint8Array, from: number, to: number): Uint8Array {
    return this.#channelKey('seal', shared, rosterHash, from, to);
  }

  /** Bound to the roster: who was shown another one has other keys. */
  #channelKey(label: string, shared: Uint8Array, rosterHash: Uint8Array, from: number, to: number): Uint8Array {
    return this.#crypto.hkdf(shared, concatBytes(this.#session, rosterHash), context(label, from, to), KEY_BYTES);
  }

  #derive(secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    return this.#crypto.hkdf(secret, this.#session, info, length);
  }
}
