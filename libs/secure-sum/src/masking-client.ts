import { type Residues, requireBits, sumModulo, toResidues } from '@fedcarbon/codec';
import { concatBytes, describeError, equalBytes, InvalidInputError } from '@fedcarbon/kernel';
import { type Block, requireRound, shareBytes } from './block.ts';
import { KEY_BYTES } from './crypto.ts';
import { dealShares, shareOf, sharedSecrets } from './dealing.ts';
import { type Machine, Turn } from './machine.ts';
import { maskOf, negated } from './masks.ts';
import { BlockKeys } from './secrets.ts';
import type { ClientDependencies, ClientEffect, ClientEvent, ClientStanding } from './secure-sum.ts';
import { acceptRoster, helloOf, setupReader, type Setup, survivorsProblem } from './setup.ts';
import { isSentShare } from './topology.ts';
import { kindOf } from './v1/bytes-cursor.ts';
import {
  decodeMasked,
  decodeSurvivors,
  decodeUnmask,
  encodeAnswer,
  encodeConsent,
  encodeMasked,
  encodeSurvivors,
  survivorsStatement,
} from './v1/round-messages.ts';
import { decodeDelivered, encodeHello, encodeShares } from './v1/setup-messages.ts';

/** First byte of a client's facts. */
const FACT = { joined: 1, roster: 2, delivered: 3, masked: 4, consented: 5, answered: 6 } as const;

/** A client of a block. */
export interface MaskingClientState {
  readonly seed?: Uint8Array;
  readonly roster?: Uint8Array;
  readonly setup?: Setup & {
    /** What this client shares with each neighbour (`sharedSecrets`). */
    readonly shared: ReadonlyMap<number, Uint8Array>;
    /** Shares of its own secrets, for itself and for whom it has to send them (`dealShares`). */
    readonly dealt: ReadonlyMap<number, Uint8Array>;
  };
  readonly delivered?: Uint8Array;
  readonly peers?: {
    /** Who is in the masks of this block. */
    readonly dealers: readonly number[];
    /** Shares that this client holds, its own included, by dealer. */
    readonly shares: ReadonlyMap<number, Uint8Array>;
  };
  readonly rounds: ReadonlyMap<number, ClientRound>;
}

interface ClientRound {
  readonly masked: Uint8Array;
  /** The one set that this client has signed for. */
  readonly consented?: readonly number[];
  /** The one set that this client has answered, and how. */
  readonly answered?: { readonly survivors: readonly number[]; readonly message: Uint8Array };
}

/**
 * A client under double masking (Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning"), with the secrets of all
 * rounds of a block shared in advance. Per round it sends one masked vector, signs at most one set of survivors and answers at most one, each persisted
 * before it is sent; of no dealer and round does it ever give away both shares.
 */
export function maskingClient(
  block: Block,
  member: number,
  { crypto, signer, random }: ClientDependencies,
): Machine<MaskingClientState, ClientEvent, ClientEffect> {
  const keys = new BlockKeys(crypto, block.session);
  const readRoster = setupReader(block, crypto);
  type ClientTurn = Turn<MaskingClientState, ClientEffect>;

  function apply(state: MaskingClientState, fact: Uint8Array): MaskingClientState {
    const body = fact.subarray(1);
    switch (fact[0]) {
      case FACT.joined:
        return { ...state, seed: body };
      case FACT.roster: {
        const setup = readRoster(body);
        const seed = seedOf(state);
        const shared = sharedSecrets(member, seed, setup, { crypto, keys });
        const dealt = dealShares(block, member, seed, setup, shared, keys);
        return { ...state, roster: body, setup: { ...setup, shared, dealt } };
      }
      case FACT.delivered:
        return { ...state, delivered: body, peers: openShares(state, body) };
      case FACT.masked:
        return withRound(state, decodeMasked(block, 0, body).round, { masked: body });
      case FACT.consented: {
        const { round, survivors } = decodeSurvivors(block, body);
        return withRound(state, round, { consented: survivors });
      }
      case FACT.answered: {
        const split = encodeSurvivors(block, { round: 0, survivors: [] }).length;
        const { round, survivors } = decodeSurvivors(block, body.subarray(0, split));
        return withRound(state, round, { answered: { survivors, message: body.subarray(split) } });
      }
      default:
        throw new InvalidInputError(`a client has no fact of kind ${fact[0]}`);
    }
  }

  function step(state: MaskingClientState, event: ClientEvent) {
    const turn: ClientTurn = new Turn(state, apply);
    try {
      if (event.type === 'join') join(turn);
      else if (event.type === 'contribute') contribute(turn, event.round, event.values, event.bits);
      else if (event.type === 'resume') resume(turn);
      else receive(turn, event.message);
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  function receive(turn: ClientTurn, message: Uint8Array): void {
    const kind = kindOf(message);
    if (kind === 'roster') onRoster(turn, message);
    else if (kind === 'delivered') onDelivered(turn, message);
    else if (kind === 'survivors') onSurvivors(turn, message);
    else if (kind === 'unmask') onUnmask(turn, message);
    else turn.refuse(`a client takes no ${kind ?? 'unknown'} message`);
  }

  function join(turn: ClientTurn): void {
    if (block.excluded.includes(member)) throw new InvalidInputError('this client is excluded');
    if (!turn.state.seed) turn.persist(fact(FACT.joined, random.bytes(KEY_BYTES)));
    sendHello(turn);
  }

  function onRoster(turn: ClientTurn, message: Uint8Array): void {
    const { roster } = turn.state;
    if (!roster) {
      acceptRoster(block, member, hello(turn.state).entry, message, readRoster(message), crypto);
      turn.persist(fact(FACT.roster, message));
    } else if (!equalBytes(roster, message)) {
      throw new InvalidInputError('this client has accepted another roster for the block');
    }
    sendShares(turn);
  }

  function onDelivered(turn: ClientTurn, message: Uint8Array): void {
    const { setup, delivered } = turn.state;
    if (!setup) throw new InvalidInputError('shares came before the roster');
    if (delivered) {
      if (equalBytes(delivered, message)) return;
      throw new InvalidInputError('this client has taken other shares for the block');
    }
    const { dealers } = decodeDelivered(block, sendersIn(setup), message);
    if (!dealers.includes(member)) throw new InvalidInputError('this client is not among the dealers');
    const stranger = dealers.find((dealer) => !setup.topology.members.includes(dealer));
    if (stranger !== undefined) throw new InvalidInputError(`dealer ${stranger} is not in the roster`);
    // Else the coordinator could let this client mask with confederates only.
    const problem = survivorsProblem(block, setup.topology, dealers, dealers);
    if (problem !== undefined) throw new InvalidInputError(`dealers: ${problem}`);
    turn.persist(fact(FACT.delivered, message));
  }

  /** Neighbours that send this client its share of their secrets. */
  function sendersIn({ topology }: Setup): number[] {
    return topology.neighbours(member).filter((dealer) => isSentShare(topology, dealer, member));
  }

  /** A share that does not open is taken as zeros: the dealer's doing, and the coordinator will notice that what it gives is not what was committed to. */
  function openShares(state: MaskingClientState, message: Uint8Array): NonNullable<MaskingClientState['peers']> {
    const setup = setupOf(state);
    const { topology, rosterHash, shared, dealt } = setup;
    const senders = sendersIn(setup);
    const { dealers, sealed } = decodeDelivered(block, senders, message);
    const boxes = new Map(
      senders.filter((dealer) => dealers.includes(dealer)).map((dealer, i) => [dealer, sealed[i] as Uint8Array]),
    );
    const shares = new Map([[member, dealt.get(member) as Uint8Array]]);
    for (const dealer of topology.neighbours(member)) {
      if (!dealers.includes(dealer)) continue;
      const secret = shared.get(dealer) as Uint8Array;
      const box = boxes.get(dealer);
      const share = box
        ? (crypto.open(keys.sealKey(secret, rosterHash, dealer, member), box) ?? new Uint8Array(shareBytes(block)))
        : keys.impliedShare(secret, rosterHash, dealer, member, shareBytes(block));
      shares.set(dealer, share);
    }
    return { dealers, shares };
  }

  function contribute(turn: ClientTurn, round: number, values: Int32Array | Uint32Array, bits: number): void {
    if (!turn.state.rounds.has(round)) {
      requireBits(bits);
      requireRound(block, round);
      const masked = mask(turn.state, round, toResidues(values, bits), bits);
      const message = encodeMasked(block, { round, bits, values: masked, sealed: new Uint8Array() });
      turn.persist(fact(FACT.masked, message));
    }
    sendMasked(turn, round);
  }

  /** x + PRG(own) + sum over peers after this one of PRG(pair) - sum over peers before it of PRG(pair), modulo 2^bits. */
  function mask(state: MaskingClientState, round: number, values: Residues, bits: number): Residues {
    const seed = seedOf(state);
    const { topology, entries } = setupOf(state);
    const { shares } = peersOf(state);
    const own = keys.selfMaskKey(keys.selfSeed(seed, round), member, round);
    const terms = [values, maskOf(crypto, own, values.length, bits)];
    const agree = crypto.x25519(keys.maskPrivateKey(keys.keySeed(seed, round), member, round));
    for (const peer of topology.neighbours(member)) {
      if (!shares.has(peer)) continue;
      const publicKey = (entries.get(peer) as { maskKeys: readonly Uint8Array[] }).maskKeys[round] as Uint8Array;
      const shared = maskOf(crypto, keys.pairMaskKey(agree(publicKey), [member, peer], round), values.length, bits);
      terms.push(member < peer ? shared : negated(shared, bits));
    }
    return sumModulo(terms, bits);
  }

  function onSurvivors(turn: ClientTurn, message: Uint8Array): void {
    const { round, survivors } = decodeSurvivors(block, message);
    const { consented, answered } = checkSurvivors(turn.state, round, survivors);
    if (!setupOf(turn.state).topology.committee.includes(member)) {
      throw new InvalidInputError('this client is not one of those who certify survivors');
    }
    const before = consented ?? answered?.survivors;
    if (before && !sameMembers(before, survivors)) {
      throw new InvalidInputError(`this client has signed for other survivors of round ${round}`);
    }
    if (!consented) turn.persist(fact(FACT.consented, message));
    sendConsent(turn, round);
  }

  function onUnmask(turn: ClientTurn, message: Uint8Array): void {
    const { round, survivors, signers, signatures } = decodeUnmask(block, message);
    const { consented, answered } = checkSurvivors(turn.state, round, survivors);
    const before = answered?.survivors ?? consented;
    if (before && !sameMembers(before, survivors)) {
      throw new InvalidInputError(`this client has signed for or answered other survivors of round ${round}`);
    }
    if (!answered) {
      const { topology, rosterHash } = setupOf(turn.state);
      const { dealers, shares } = peersOf(turn.state);
      const statement = survivorsStatement(block, { rosterHash, dealers }, { round, survivors });
      const valid = signers.filter((signer, i) => {
        if (!topology.committee.includes(signer) || !survivors.includes(signer)) return false;
        return crypto.verifySignature(block.members[signer] as Uint8Array, statement, signatures[i] as Uint8Array);
      });
      if (valid.length < topology.threshold) {
        throw new InvalidInputError(
          `${valid.length} valid signatures for the survivors of round ${round}, ${topology.threshold} are needed`,
        );
      }
      const inSum = new Set(survivors);
      const held = topology.holders(member).filter((dealer) => shares.has(dealer));
      const answer = encodeAnswer(block, {
        round,
        shares: held.map((dealer) => shareOf(block, shares.get(dealer) as Uint8Array, round, inSum.has(dealer))),
      });
      turn.persist(fact(FACT.answered, encodeSurvivors(block, { round, survivors }), answer));
    }
    sendAnswer(turn, round);
  }

  /** This client's part in the round. Throws InvalidInputError when the set of survivors must not be opened. */
  function checkSurvivors(state: MaskingClientState, round: number, survivors: readonly number[]): ClientRound {
    const own = state.rounds.get(round);
    if (!own || !survivors.includes(member)) {
      throw new InvalidInputError(`this client is not in the sum of round ${round}`);
    }
    const problem = survivorsProblem(block, setupOf(state).topology, peersOf(state).dealers, survivors);
    if (problem !== undefined) throw new InvalidInputError(`round ${round}: ${problem}`);
    return own;
  }

  function resume(turn: ClientTurn): void {
    const { seed, setup, peers, rounds } = turn.state;
    if (!seed) return;
    if (!setup) sendHello(turn);
    else if (!peers) sendShares(turn);
    const last = Math.max(...rounds.keys());
    const round = rounds.get(last);
    if (!round) return;
    if (round.answered) sendAnswer(turn, last);
    else if (round.consented) sendConsent(turn, last);
    else sendMasked(turn, last);
  }

  const hello = (state: MaskingClientState) => helloOf(block, member, seedOf(state), { crypto, keys, signer });

  function sendHello(turn: ClientTurn): void {
    turn.emit({ type: 'send', kind: 'hello', message: encodeHello(block, hello(turn.state)) });
  }

  function sendShares(turn: ClientTurn): void {
    const { rosterHash, shared, dealt } = setupOf(turn.state);
    const sealed = [...dealt]
      .filter(([holder]) => holder !== member)
      .map(([holder, share]) => {
        const secret = shared.get(holder) as Uint8Array;
        return crypto.seal(keys.sealKey(secret, rosterHash, member, holder), share);
      });
    turn.emit({ type: 'send', kind: 'shares', message: encodeShares(block, sealed) });
  }

  function sendMasked(turn: ClientTurn, round: number): void {
    const { masked } = turn.state.rounds.get(round) as ClientRound;
    turn.emit({ type: 'send', kind: 'masked', message: masked });
  }

  /** Ed25519 is deterministic: the same bytes every time. */
  function sendConsent(turn: ClientTurn, round: number): void {
    const { rosterHash } = setupOf(turn.state);
    const { dealers } = peersOf(turn.state);
    const survivors = turn.state.rounds.get(round)?.consented ?? [];
    const signature = signer.sign(survivorsStatement(block, { rosterHash, dealers }, { round, survivors }));
    turn.emit({ type: 'send', kind: 'consent', message: encodeConsent(block, { round, signature }) });
  }

  function sendAnswer(turn: ClientTurn, round: number): void {
    const answered = turn.state.rounds.get(round)?.answered as NonNullable<ClientRound['answered']>;
    turn.emit({ type: 'send', kind: 'answer', message: answered.message });
  }

  return { initial: { rounds: new Map() }, apply, step };
}

export function clientStanding(
  { number, firstRound, excluded }: Block,
  member: number,
  { seed, peers, rounds }: MaskingClientState,
): ClientStanding {
  return {
    block: number,
    firstRound,
    excluded: excluded.includes(member),
    begun: seed !== undefined,
    ready: peers !== undefined,
    masked: (round) => rounds.get(round)?.masked,
  };
}

function fact(kind: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(kind), ...parts);
}

function withRound(
  state: MaskingClientState,
  round: number,
  change: { readonly [K in keyof ClientRound]?: ClientRound[K] },
): MaskingClientState {
  const before = state.rounds.get(round);
  return { ...state, rounds: new Map(state.rounds).set(round, { ...(before as ClientRound), ...change }) };
}

function seedOf({ seed }: MaskingClientState): Uint8Array {
  if (!seed) throw new InvalidInputError('this client has not joined the block');
  return seed;
}

function setupOf({ setup }: MaskingClientState): NonNullable<MaskingClientState['setup']> {
  if (!setup) throw new InvalidInputError('this client has no roster of the block yet');
  return setup;
}

function peersOf({ peers }: MaskingClientState): NonNullable<MaskingClientState['peers']> {
  if (!peers) throw new InvalidInputError('this client has no shares of its peers yet');
  return peers;
}

function sameMembers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((member, i) => member === b[i]);
}
