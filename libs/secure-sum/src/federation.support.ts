import { concatBytes, equalBytes, type RandomSource, type Signer, utf8 } from '@fedcarbon/kernel';
import {
  addMasked,
  type Block,
  type ClientEvent,
  type ClientParty,
  type CoordinatorEffect,
  type CoordinatorEvent,
  type Graph,
  type MessageKind,
  type Party,
  type Phase,
  type SecureSum,
  sessionOf,
} from './index.ts';
import type { SecureSumCrypto } from './crypto.ts';
import { nodeCrypto, signerOf } from './node-crypto.support.ts';

/** Reproducible bytes for tests: SHA-256 of seed and counter. */
export function seededRandom(seed: string): RandomSource & { below(bound: number): number } {
  let counter = 0;
  let pool: Uint8Array = new Uint8Array();
  const bytes = (length: number): Uint8Array => {
    while (pool.length < length) {
      pool = concatBytes(pool, nodeCrypto.sha256(utf8(`${seed}/${counter++}`)));
    }
    const taken = pool.slice(0, length);
    pool = pool.slice(length);
    return taken;
  };
  // The bias of a remainder of 32 bits does not matter to a test's choices.
  return { bytes, below: (bound) => new DataView(bytes(4).buffer).getUint32(0) % bound };
}

const digest = (...parts: Uint8Array[]): Uint8Array => nodeCrypto.sha256(concatBytes(...parts));

/** Cryptography and the identity key of each name. */
export interface Suite {
  readonly crypto: SecureSumCrypto;
  signer(name: string): Signer;
}

function withMemory(make: (name: string) => Signer): (name: string) => Signer {
  const known = new Map<string, Signer>();
  return (name) => {
    const signer = known.get(name) ?? make(name);
    known.set(name, signer);
    return signer;
  };
}

/** The real thing. */
export const nodeSuite: Suite = {
  crypto: nodeCrypto,
  signer: withMemory((name) => signerOf(digest(utf8(`identity of ${name}`)))),
};

const toySignature = (publicKey: Uint8Array, message: Uint8Array): Uint8Array =>
  concatBytes(digest(publicKey, message), digest(message, publicKey));

/**
 * A stand-in with the same lengths that costs next to nothing: signatures and key agreement by hashing public keys. Anybody could forge and listen; no
 * test that uses it does. Key streams and seals are real.
 */
export const toySuite: Suite = {
  crypto: {
    ...nodeCrypto,
    verifySignature: (publicKey, message, signature) => equalBytes(signature, toySignature(publicKey, message)),
    hkdf: (secret, salt, info, length) => digest(salt, Uint8Array.of(length), secret, info).subarray(0, length),
    x25519PublicKey: (privateKey) => digest(utf8('public'), privateKey),
    x25519: (privateKey) => {
      const own = digest(utf8('public'), privateKey);
      return (publicKey) => digest(own.map((byte, i) => byte ^ (publicKey[i] ?? 0)));
    },
  },
  signer: withMemory((name) => {
    const publicKey = digest(utf8(`identity of ${name}`));
    return { publicKey, sign: (message) => toySignature(publicKey, message) };
  }),
};

/** A block of `clients` clients with keys named after their numbers. */
export function blockOf(
  clients: number,
  options: { rounds?: number; minSurvivors?: number; graph?: Graph; number?: number; suite?: Suite } = {},
): Block {
  const planHash = digest(utf8('plan'));
  const { signer } = options.suite ?? nodeSuite;
  const number = options.number ?? 1;
  return {
    number,
    firstRound: 0,
    excluded: [],
    session: sessionOf(nodeCrypto.sha256, planHash, number),
    planHash,
    members: Array.from({ length: clients }, (_, i) => signer(`client ${i}`).publicKey),
    coordinatorKey: signer('coordinator').publicKey,
    rounds: options.rounds ?? 2,
    minSurvivors: options.minSurvivors ?? Math.ceil(0.7 * clients),
    graph: options.graph ?? { kind: 'complete' },
  };
}

/** Bytes of message bodies, per member. */
export interface Traffic {
  readonly up: number[];
  readonly down: number[];
}

/** What a test may do to a federation: members fall silent, for good, from a phase of a round on; parties crash between persisting and sending. */
export interface Faults {
  /** Whether the member still sends in this phase (round undefined in the setup). */
  alive?(member: number, phase: Phase, round: number | undefined): boolean;
  /** Whether the client loses its memory after persisting this fact and before sending. */
  crashes?(member: number, fact: Uint8Array): boolean;
  /** Whether the coordinator does. */
  coordinatorCrashes?(fact: Uint8Array): boolean;
}

export type Outcome = Extract<CoordinatorEffect, { type: 'opened' | 'abandoned' | 'failed' }>;

/** A federation in memory: clients, coordinator, optional regions, and a broker that keeps all messages in order. */
export class Federation {
  readonly block: Block;
  readonly sum: SecureSum;
  readonly traffic: Traffic;
  /** Every message that left a client. */
  readonly sent: { readonly from: number; readonly kind: MessageKind; readonly message: Uint8Array }[] = [];
  /** The last message of each kind that the coordinator sent. */
  readonly #broadcast = new Map<MessageKind, Uint8Array>();
  readonly refusals: string[] = [];
  readonly clientFacts: Uint8Array[][];
  readonly coordinatorFacts: Uint8Array[] = [];
  readonly outcomes: Outcome[] = [];
  readonly #faults: Faults;
  readonly #suite: Suite;
  readonly #seed: string;
  #clients: ClientParty[];
  #coordinator: Party<CoordinatorEvent, CoordinatorEffect>;
  #queue: (() => void)[] = [];

  constructor(block: Block, sum: SecureSum, faults: Faults = {}, { suite = nodeSuite, seed = 'federation' } = {}) {
    this.block = block;
    this.sum = sum;
    this.#faults = faults;
    this.#suite = suite;
    this.#seed = seed;
    this.clientFacts = block.members.map(() => []);
    this.#clients = block.members.map((_, member) => this.#restoreClient(member));
    this.#coordinator = this.#restoreCoordinator();
    const zeros = () => block.members.map(() => 0);
    this.traffic = { up: zeros(), down: zeros() };
  }

  /** Runs the setup; true when the block is ready. */
  setUp(): boolean {
    this.#clients.forEach((_, member) => {
      this.#clientStep(member, { type: 'join' }, 'hello', undefined);
    });
    this.#drain();
    for (const phase of ['hello', 'shares'] as const) this.coordinatorStep({ type: 'deadline', phase });
    return !this.outcomes.some(({ type }) => type === 'failed');
  }

  /** Runs one round over `vectors` and says how it ended. */
  run(round: number, vectors: readonly Int32Array[], bits: number, regions: readonly number[][] = []): Outcome {
    const length = vectors[0]?.length ?? 0;
    this.coordinatorStep({ type: 'open', round, length, bits });
    const inRegion = new Set(regions.flat());
    const before = this.sent.length;
    vectors.forEach((values, member) => {
      this.#clientStep(member, { type: 'contribute', round, values, bits }, 'masked', round, inRegion.has(member));
    });
    this.#drain();
    const masked = new Map(
      this.sent
        .slice(before)
        .flatMap(({ from, kind, message }) => (kind === 'masked' ? [[from, message] as const] : [])),
    );
    for (const region of regions) {
      const messages = new Map([...masked].filter(([from]) => region.includes(from)));
      if (messages.size === 0) continue;
      const message = addMasked(this.block, this.sum.sealedBytes, { round, length, bits }, messages);
      this.coordinatorStep({ type: 'partial', message });
    }
    for (const phase of ['masked', 'consent', 'answer'] as const)
      this.coordinatorStep({ type: 'deadline', phase, round });
    const outcome = this.outcomes.find((one) => 'round' in one && one.round === round);
    if (!outcome) throw new Error(`round ${round} did not end: ${this.refusals.join('; ')}`);
    return outcome;
  }

  coordinatorSends(kind: MessageKind): Uint8Array {
    const message = this.#broadcast.get(kind);
    if (!message) throw new Error(`the coordinator has sent no ${kind}`);
    return message;
  }

  client(member: number): ClientParty {
    return this.#clients[member] as ClientParty;
  }

  /** One event of the coordinator and all that follows from it. */
  coordinatorStep(event: CoordinatorEvent): void {
    const { party, effects } = this.#coordinator.step(event);
    this.#coordinator = party;
    for (const effect of effects) {
      if (effect.type === 'persist') {
        this.coordinatorFacts.push(effect.fact);
        if (!this.#faults.coordinatorCrashes?.(effect.fact)) continue;
        this.#coordinator = this.#restoreCoordinator();
        this.#queue.push(() => {
          this.coordinatorStep({ type: 'resume' });
        });
        break;
      } else if (effect.type === 'send') {
        this.#broadcast.set(effect.kind, effect.message);
        for (const member of effect.to === 'helper' ? [] : effect.to) {
          count(this.traffic.down, member, effect.message.length);
          this.#queue.push(() => {
            this.#clientStep(
              member,
              { type: 'message', message: effect.message },
              NEXT_PHASE[effect.kind],
              roundOf(event),
            );
          });
        }
      } else if (effect.type === 'refuse') this.refusals.push(`coordinator: ${effect.reason}`);
      else if (effect.type !== 'ready') this.outcomes.push(effect);
    }
    this.#drain();
  }

  #clientStep(
    member: number,
    event: ClientEvent,
    phase: Phase | undefined,
    round: number | undefined,
    viaRegion = false,
  ): void {
    if (phase && this.#faults.alive && !this.#faults.alive(member, phase, round)) return;
    const { block } = this.client(member).standing;
    const { party, effects } = this.client(member).step(event);
    this.#clients[member] = party;
    const { block: after, excluded } = party.standing;
    if (after !== block && !excluded) {
      this.#queue.push(() => {
        this.#clientStep(member, { type: 'join' }, 'hello', undefined);
      });
    }
    for (const effect of effects) {
      if (effect.type === 'persist') {
        this.clientFacts[member]?.push(effect.fact);
        if (!this.#faults.crashes?.(member, effect.fact)) continue;
        this.#clients[member] = this.#restoreClient(member);
        return this.#clientStep(member, { type: 'resume' }, phase, round, viaRegion);
      } else if (effect.type === 'send') {
        this.sent.push({ from: member, kind: effect.kind, message: effect.message });
        count(this.traffic.up, member, effect.message.length);
        if (viaRegion && effect.kind === 'masked') continue;
        this.#queue.push(() => {
          this.coordinatorStep({ type: 'message', from: member, message: effect.message });
        });
      } else this.refusals.push(`client ${member}: ${effect.reason}`);
    }
  }

  #draining = false;
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) next();
    this.#draining = false;
  }

  #restoreClient(member: number): ClientParty {
    const random = seededRandom(`${this.#seed}/${member}`);
    const dependencies = { crypto: this.#suite.crypto, signer: this.#suite.signer(`client ${member}`), random };
    return this.sum.client(member, dependencies, this.clientFacts[member]);
  }

  #restoreCoordinator(): Party<CoordinatorEvent, CoordinatorEffect> {
    const { crypto, signer } = this.#suite;
    return this.sum.coordinator({ crypto, signer: signer('coordinator') }, this.coordinatorFacts);
  }
}

function count(list: number[], member: number, bytes: number): void {
  list[member] = (list[member] ?? 0) + bytes;
}

/** The phase in which a client answers a message of the coordinator. */
const NEXT_PHASE: { readonly [K in MessageKind]?: Phase } = {
  roster: 'shares',
  survivors: 'consent',
  unmask: 'answer',
};

function roundOf(event: CoordinatorEvent): number | undefined {
  return 'round' in event ? event.round : undefined;
}
