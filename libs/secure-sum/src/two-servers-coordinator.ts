import { addModulo, type Residues, requireBits, sumModulo } from '@fedcarbon/codec';
import { concatBytes, describeError, InvalidInputError } from '@fedcarbon/kernel';
import { type Block, requireRound } from './block.ts';
import { type Machine, Turn } from './machine.ts';
import { decodeOutcome, encodeOutcome, excludedAfter, type Outcome } from './outcome.ts';
import { checkShape, type SumShape } from './partial-sum.ts';
import type { CoordinatorEffect, CoordinatorEvent, CoordinatorStanding } from './secure-sum.ts';
import { u16 } from './v1/bytes-cursor.ts';
import { decodeMaskSum, encodeSeeds, SEALED_SEED_BYTES } from './v1/helper-messages.ts';
import { decodeMasked, decodePartial, type Partial } from './v1/round-messages.ts';
import { encodeBlockStart } from './v1/setup-messages.ts';

/** First byte of the coordinator's facts; then a number u16, then the message. */
const FACT = { begun: 1, masked: 2, partial: 3, sumClosed: 4, finished: 5 } as const;

/** The coordinator with two servers. */
export interface TwoServersState {
  readonly round?: {
    readonly shape: SumShape;
    /** Whose vectors are in the sum, with what they sealed for the helper. */
    readonly included: ReadonlyMap<number, Uint8Array>;
    readonly sum: Residues;
    /** No more vectors; the helper has been asked. */
    readonly closed: boolean;
  };
  /** How rounds ended, in the order of their ends. */
  readonly finished: ReadonlyMap<number, Outcome>;
}
type OpenRound = NonNullable<TwoServersState['round']>;

/** The first server: adds the clients' shares and asks the helper once for the sum of their masks. */
export function twoServersCoordinator(block: Block): Machine<TwoServersState, CoordinatorEvent, CoordinatorEffect> {
  type ServerTurn = Turn<TwoServersState, CoordinatorEffect>;

  function apply(state: TwoServersState, fact: Uint8Array): TwoServersState {
    const number = ((fact[1] ?? 0) << 8) | (fact[2] ?? 0);
    const message = fact.subarray(3);
    const round = state.round as OpenRound;
    switch (fact[0]) {
      case FACT.begun: {
        const [high = 0, middle = 0, low = 0, bits = 0] = message;
        const length = (high << 16) | (middle << 8) | low;
        const shape = { round: number, length, bits };
        return { ...state, round: { shape, included: new Map(), sum: new Uint32Array(length), closed: false } };
      }
      case FACT.masked:
        return { ...state, round: including(round, partialOf(number, message)) };
      case FACT.partial:
        return { ...state, round: including(round, decodePartial(block, SEALED_SEED_BYTES, message)) };
      case FACT.sumClosed:
        return { ...state, round: { ...round, closed: true } };
      case FACT.finished:
        return { finished: new Map(state.finished).set(number, decodeOutcome(block, number, message)) };
      default:
        throw new InvalidInputError(`a coordinator has no fact of kind ${fact[0]}`);
    }
  }

  function step(state: TwoServersState, event: CoordinatorEvent) {
    const turn: ServerTurn = new Turn(state, apply);
    try {
      const { round } = state;
      if (event.type === 'message') {
        if (!block.members[event.from]) throw new InvalidInputError(`the plan has no member ${event.from}`);
        include(turn, partialOf(event.from, event.message), fact(FACT.masked, event.from, event.message));
      } else if (event.type === 'partial') {
        const partial = decodePartial(block, SEALED_SEED_BYTES, event.message);
        include(turn, partial, fact(FACT.partial, 0, event.message));
      } else if (event.type === 'open') open(turn, event);
      else if (event.type === 'helper') onMaskSum(turn, event.message);
      else if (event.type === 'resume') {
        const last = [...state.finished.values()].at(-1);
        if (round?.closed) askHelper(turn);
        else if (round && isComplete(turn.state)) close(turn);
        else if (!round && last) turn.emit(last);
      } else if (event.type === 'setUp') turn.refuse('with two servers nothing is set up');
      else if (round && event.round === round.shape.round) {
        if (event.phase === 'masked' && !round.closed) close(turn);
        else if (event.phase === 'answer' && round.closed) abandon(turn, 'the helper did not answer');
      }
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  function open(turn: ServerTurn, { round, length, bits }: SumShape): void {
    const { round: current, finished } = turn.state;
    requireBits(bits);
    requireRound(block, round);
    if (finished.has(round)) throw new InvalidInputError(`round ${round} is over; an abandoned round is not run again`);
    if (current?.shape.round === round) return;
    if (current) throw new InvalidInputError(`round ${current.shape.round} is still open`);
    turn.persist(fact(FACT.begun, round, Uint8Array.of(length >>> 16, (length >>> 8) & 255, length & 255, bits)));
  }

  function include(turn: ServerTurn, partial: Partial, accepted: Uint8Array): void {
    const { shape, included, closed } = roundOf(turn.state);
    checkShape(shape, partial);
    if (closed) throw new InvalidInputError(`round ${shape.round} takes no vectors any more`);
    const again = partial.members.find((member) => included.has(member));
    if (again !== undefined) throw new InvalidInputError(`member ${again} is in the sum of the round already`);
    const excluded = excludedAfter(block, turn.state.finished);
    const bad = partial.members.find((member) => excluded.includes(member));
    if (bad !== undefined) throw new InvalidInputError(`member ${bad} is excluded`);
    turn.persist(accepted);
    if (isComplete(turn.state)) close(turn);
  }

  /** Nobody is left to wait for. */
  function isComplete(state: TwoServersState): boolean {
    return roundOf(state).included.size === block.members.length - excludedAfter(block, state.finished).length;
  }

  function close(turn: ServerTurn): void {
    const { size } = roundOf(turn.state).included;
    if (size < block.minSurvivors) {
      return abandon(turn, `${size} survivors, at least ${block.minSurvivors} are needed`);
    }
    turn.persist(fact(FACT.sumClosed, 0));
    askHelper(turn);
  }

  function askHelper(turn: ServerTurn): void {
    const { shape, included } = roundOf(turn.state);
    const survivors = survivorsOf(included);
    const sealed = survivors.map((member) => included.get(member) as Uint8Array);
    turn.emit({
      type: 'send',
      to: 'helper',
      kind: 'seeds',
      message: encodeSeeds(block, { ...shape, survivors, sealed }),
    });
  }

  function onMaskSum(turn: ServerTurn, message: Uint8Array): void {
    const { shape, included, sum, closed } = roundOf(turn.state);
    const masks = decodeMaskSum(block, message);
    if (!closed || masks.round !== shape.round) throw new InvalidInputError(`round ${masks.round} waits for no masks`);
    const { unreadable } = masks;
    if (unreadable.length > 0) {
      abandon(turn, `the helper cannot open what member ${unreadable.join(', ')} sealed`, unreadable);
      const start = { ...block, excluded: excludedAfter(block, turn.state.finished), firstRound: shape.round + 1 };
      return turn.emit({ type: 'send', to: unreadable, kind: 'block', message: encodeBlockStart(block, start) });
    }
    checkShape(shape, masks);
    finish(turn, {
      type: 'opened',
      round: shape.round,
      survivors: survivorsOf(included),
      sum: sumModulo([sum, masks.values], shape.bits),
    });
  }

  function abandon(turn: ServerTurn, reason: string, excluded: readonly number[] = []): void {
    finish(turn, { type: 'abandoned', round: roundOf(turn.state).shape.round, reason, excluded });
  }

  function finish(turn: ServerTurn, outcome: Outcome): void {
    const { bits } = roundOf(turn.state).shape;
    turn.persist(fact(FACT.finished, outcome.round, encodeOutcome(block, outcome, bits)));
    turn.emit(outcome);
  }

  function partialOf(from: number, message: Uint8Array): Partial {
    const { sealed, ...masked } = decodeMasked(block, SEALED_SEED_BYTES, message);
    return { ...masked, members: [from], sealed: [sealed] };
  }

  return { initial: { finished: new Map() }, apply, step };
}

/** Nothing is set up: everybody who is not excluded can contribute at once. */
export function twoServersStanding(block: Block): (state: TwoServersState) => CoordinatorStanding {
  return ({ round, finished }) => {
    const excluded = excludedAfter(block, finished);
    return {
      block: block.number,
      excluded,
      members: [...block.members.keys()].filter((member) => !excluded.includes(member)),
      phase: round && (round.closed ? 'answer' : 'masked'),
      round: round?.shape.round,
      answersWanted: round?.closed === true ? 1 : undefined,
    };
  };
}

function including(round: OpenRound, { members, values, sealed }: Partial): OpenRound {
  const included = new Map(round.included);
  members.forEach((member, i) => included.set(member, sealed[i] as Uint8Array));
  return { ...round, included, sum: addModulo(round.sum, values, round.shape.bits) };
}

function survivorsOf(included: ReadonlyMap<number, Uint8Array>): number[] {
  return [...included.keys()].sort((a, b) => a - b);
}

function roundOf({ round }: TwoServersState): OpenRound {
  if (!round) throw new InvalidInputError('no round is open');
  return round;
}

function fact(kind: number, number: number, message: Uint8Array = new Uint8Array()): Uint8Array {
  return concatBytes(Uint8Array.of(kind), u16(number), message);
}
