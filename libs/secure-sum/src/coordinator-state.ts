import { addModulo, type Residues } from '@fedcarbon/codec';
import { concatBytes, InvalidInputError } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import type { SecureSumCrypto } from './crypto.ts';
import { heldBy } from './open-sum.ts';
import { decodeOutcome, excludedAfter, type Outcome } from './outcome.ts';
import type { SumShape } from './partial-sum.ts';
import type { CoordinatorStanding, Phase } from './secure-sum.ts';
import { type Setup, setupOfMembers } from './setup.ts';
import { isSentShare } from './topology.ts';
import { u16 } from './v1/bytes-cursor.ts';
import { decodeAnswer, decodeConsent, decodeMasked, decodePartial, type Partial } from './v1/round-messages.ts';
import { decodeHello, decodeShares, entryDigest, type Hello } from './v1/setup-messages.ts';

/** First byte of a coordinator's facts: accepted messages with their sender, and decisions. What was decided follows from the messages before it. */
export const FACT = {
  hello: 1,
  rosterClosed: 2,
  shares: 3,
  sharesClosed: 4,
  begun: 5,
  masked: 6,
  partial: 7,
  sumClosed: 8,
  consent: 9,
  certified: 10,
  answer: 11,
  finished: 12,
} as const;

/** The coordinator of a block. */
export interface MaskingCoordinatorState {
  readonly hellos: ReadonlyMap<number, Hello & { readonly message: Uint8Array }>;
  readonly setup?: Setup;
  /** By dealer: what it sealed, by holder. */
  readonly shares: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;
  readonly dealers?: readonly number[];
  readonly round?: CoordinatorRound;
  /** How rounds ended, in the order of their ends. */
  readonly finished: ReadonlyMap<number, Outcome>;
}

export interface CoordinatorRound {
  readonly shape: SumShape;
  readonly included: readonly number[];
  readonly sum: Residues;
  readonly survivors?: readonly number[];
  readonly consents: ReadonlyMap<number, Uint8Array>;
  readonly signers?: readonly number[];
  readonly answers: ReadonlyMap<number, readonly Uint8Array[]>;
}

/** How facts make a coordinator's state, and how its messages are read in the light of it. */
export function coordinatorFacts(block: Block, crypto: SecureSumCrypto) {
  function apply(state: MaskingCoordinatorState, fact: Uint8Array): MaskingCoordinatorState {
    const from = ((fact[1] ?? 0) << 8) | (fact[2] ?? 0);
    const message = fact.subarray(3);
    switch (fact[0]) {
      case FACT.hello:
        return { ...state, hellos: new Map(state.hellos).set(from, { ...decodeHello(block, message), message }) };
      case FACT.rosterClosed:
        return { ...state, setup: setupFrom(state.hellos) };
      case FACT.shares:
        return { ...state, shares: new Map(state.shares).set(from, readShares(state, from, message)) };
      case FACT.sharesClosed:
        return { ...state, dealers: [...state.shares.keys()].sort((a, b) => a - b) };
      case FACT.begun: {
        const [length, bits] = [
          ((message[0] ?? 0) << 16) | ((message[1] ?? 0) << 8) | (message[2] ?? 0),
          message[3] ?? 0,
        ];
        const shape = { round: from, length, bits };
        return {
          ...state,
          round: { shape, included: [], sum: new Uint32Array(length), consents: new Map(), answers: new Map() },
        };
      }
      case FACT.masked:
        return including(state, partialOf(from, message));
      case FACT.partial:
        return including(state, decodePartial(block, 0, message));
      case FACT.sumClosed:
        return withRound(state, { survivors: [...roundOf(state).included].sort((a, b) => a - b) });
      case FACT.consent: {
        const { signature } = decodeConsent(block, message);
        return withRound(state, { consents: new Map(roundOf(state).consents).set(from, signature) });
      }
      case FACT.certified: {
        const signers = [...roundOf(state).consents.keys()].sort((a, b) => a - b);
        return withRound(state, { signers: signers.slice(0, setupOf(state).topology.threshold) });
      }
      case FACT.answer: {
        const { shares } = readAnswer(state, from, message);
        return withRound(state, { answers: new Map(roundOf(state).answers).set(from, shares) });
      }
      case FACT.finished: {
        const { round: _, ...rest } = state;
        return { ...rest, finished: new Map(state.finished).set(from, decodeOutcome(block, from, message)) };
      }
      default:
        throw new InvalidInputError(`a coordinator has no fact of kind ${fact[0]}`);
    }
  }

  function setupFrom(hellos: MaskingCoordinatorState['hellos']): Setup {
    const members = [...hellos].map(([member, { entry }]) => ({
      member,
      digest: entryDigest(crypto.sha256, entry),
      entry,
    }));
    members.sort((a, b) => a.member - b.member);
    return setupOfMembers(block, members, crypto);
  }

  function readShares(state: MaskingCoordinatorState, from: number, message: Uint8Array): Map<number, Uint8Array> {
    const { topology } = setupOf(state);
    if (!topology.members.includes(from)) throw new InvalidInputError(`member ${from} is not in the roster`);
    const holders = topology.neighbours(from).filter((holder) => isSentShare(topology, from, holder));
    const sealed = decodeShares(block, holders.length, message);
    return new Map(holders.map((holder, i) => [holder, sealed[i] as Uint8Array]));
  }

  function readAnswer(state: MaskingCoordinatorState, from: number, message: Uint8Array) {
    return decodeAnswer(block, heldBy(setupOf(state), dealersOf(state), from).length, message);
  }

  function partialOf(from: number, message: Uint8Array): Partial {
    return { ...decodeMasked(block, 0, message), members: [from], sealed: [] };
  }

  return { apply, setupFrom, readShares, readAnswer, partialOf };
}

/** What the coordinator waits for, or undefined between rounds. */
export function phaseOf({ setup, dealers, round }: MaskingCoordinatorState): Phase | undefined {
  if (!setup) return 'hello';
  if (!dealers) return 'shares';
  if (!round) return undefined;
  if (!round.survivors) return 'masked';
  return round.signers ? 'answer' : 'consent';
}

export function coordinatorStanding(block: Block, state: MaskingCoordinatorState): CoordinatorStanding {
  const { setup, dealers, round, finished } = state;
  return {
    block: block.number,
    excluded: excludedAfter(block, finished),
    members: dealers,
    phase: phaseOf(state),
    round: round?.shape.round,
    answersWanted: setup && round?.signers && setup.topology.threshold - round.answers.size,
  };
}

export function fact(kind: number, from: number, message: Uint8Array = new Uint8Array()): Uint8Array {
  return concatBytes(Uint8Array.of(kind), u16(from), message);
}

export function including(state: MaskingCoordinatorState, { members, values }: Partial): MaskingCoordinatorState {
  const { included, sum, shape } = roundOf(state);
  return withRound(state, { included: [...included, ...members], sum: addModulo(sum, values, shape.bits) });
}

export function withRound(
  state: MaskingCoordinatorState,
  change: { readonly [K in keyof CoordinatorRound]?: CoordinatorRound[K] },
): MaskingCoordinatorState {
  return { ...state, round: { ...roundOf(state), ...change } };
}

export function roundOf({ round }: MaskingCoordinatorState): CoordinatorRound {
  if (!round) throw new InvalidInputError('no round is open');
  return round;
}

export function setupOf({ setup }: MaskingCoordinatorState): Setup {
  if (!setup) throw new InvalidInputError('the roster is not closed yet');
  return setup;
}

export function dealersOf({ dealers }: MaskingCoordinatorState): readonly number[] {
  if (!dealers) throw new InvalidInputError('the shares are not all there yet');
  return dealers;
}
