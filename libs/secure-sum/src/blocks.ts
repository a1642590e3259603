import { concatBytes, describeError, equalBytes, InvalidInputError } from '@fedcarbon/kernel';
import { type Block, blockFrom } from './block.ts';
import { coordinatorStanding } from './coordinator-state.ts';
import { type Machine, restore, Turn } from './machine.ts';
import { clientStanding, maskingClient } from './masking-client.ts';
import { maskingCoordinator } from './masking-coordinator.ts';
import type {
  ClientDependencies,
  ClientEffect,
  ClientEvent,
  ClientParty,
  ClientStanding,
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorParty,
  PartyDependencies,
} from './secure-sum.ts';
import { isOfSession, kindOf } from './v1/bytes-cursor.ts';
import { decodeBlockStart, encodeBlockStart } from './v1/setup-messages.ts';

/** First byte of the fact that another block has begun; its message follows. The facts after it are those of the block's party, whose kinds begin at 1. */
const BLOCK_BEGUN = 0;

/** A party of the block that a plan has come to. */
interface InBlock<Party> {
  readonly block: Block;
  readonly party: Party;
}

interface ClientInBlock extends InBlock<ClientParty> {
  /** What was masked in earlier blocks, by round. */
  earlier(round: number): Uint8Array | undefined;
}

/**
 * A client of the blocks of a plan, one after the other. It goes on to a block with a higher number only, and is then deaf to the earlier ones; its host has
 * it join. What it has masked for a round stays what it is in every later block; there it neither signs nor answers for that round, since its vector is not in the sum.
 */
export function clientOfBlocks(
  first: Block,
  member: number,
  dependencies: ClientDependencies,
): Machine<ClientInBlock, ClientEvent, ClientEffect> {
  const partyOf = (block: Block): ClientParty =>
    restore(maskingClient(block, member, dependencies), (state) => clientStanding(block, member, state), []);

  function apply(state: ClientInBlock, fact: Uint8Array): ClientInBlock {
    if (fact[0] !== BLOCK_BEGUN) return { ...state, party: state.party.learn(fact) };
    const start = decodeBlockStart(first, fact.subarray(1));
    const block = blockFrom(first, start, dependencies.crypto.sha256);
    return { block, party: partyOf(block), earlier: standingOf(state).masked };
  }

  function step(state: ClientInBlock, event: ClientEvent) {
    if (event.type === 'message' && kindOf(event.message) === 'block') return onBlock(state, event.message);
    if (event.type === 'contribute') {
      const message = state.earlier(event.round);
      if (message) return { state, effects: [{ type: 'send' as const, kind: 'masked' as const, message }] };
    }
    const { party, effects } = state.party.step(event);
    return { state: { ...state, party }, effects };
  }

  function onBlock(state: ClientInBlock, message: Uint8Array) {
    const turn = new Turn<ClientInBlock, ClientEffect>(state, apply);
    try {
      const { number } = decodeBlockStart(first, message);
      const known = state.block.number;
      if (number > known) turn.persist(concatBytes(Uint8Array.of(BLOCK_BEGUN), message));
      else if (!equalBytes(message, encodeBlockStart(first, state.block))) {
        turn.refuse(`this client is in block ${known} and does not begin block ${number}`);
      }
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  return { initial: { block: first, party: partyOf(first), earlier: () => undefined }, apply, step };
}

export function standingOf({ party, earlier }: ClientInBlock): ClientStanding {
  const { standing } = party;
  return { ...standing, masked: (round) => earlier(round) ?? standing.masked(round) };
}

/**
 * The coordinator of the blocks of a plan. Once a round has named bad dealers, the next block begins without them when it is asked for (`setUp`). To whoever
 * says hello in an earlier block it says which one is the present.
 */
export function coordinatorOfBlocks(
  first: Block,
  dependencies: PartyDependencies,
): Machine<InBlock<CoordinatorParty>, CoordinatorEvent, CoordinatorEffect> {
  type BlocksTurn = Turn<InBlock<CoordinatorParty>, CoordinatorEffect>;
  const everybody = [...first.members.keys()];
  const partyOf = (block: Block): CoordinatorParty =>
    restore(maskingCoordinator(block, dependencies), (state) => coordinatorStanding(block, state), []);

  function apply(state: InBlock<CoordinatorParty>, fact: Uint8Array): InBlock<CoordinatorParty> {
    if (fact[0] !== BLOCK_BEGUN) return { ...state, party: state.party.learn(fact) };
    const block = blockFrom(first, decodeBlockStart(first, fact.subarray(1)), dependencies.crypto.sha256);
    return { block, party: partyOf(block) };
  }

  function step(state: InBlock<CoordinatorParty>, event: CoordinatorEvent) {
    const turn: BlocksTurn = new Turn(state, apply);
    const { block } = state;
    if (event.type === 'setUp') setUp(turn, event.round);
    else if (event.type === 'message' && isOfEarlierBlock(block, event.message)) sendStart(turn, [event.from]);
    else {
      const { party, effects } = state.party.step(event);
      turn.state = { ...state, party };
      turn.effects.push(...effects);
      // Nobody need be told of the first block.
      const announced = block.number > first.number && party.standing.phase === 'hello';
      if (event.type === 'resume' && announced) sendStart(turn, everybody);
    }
    return { state: turn.state, effects: turn.effects };
  }

  function setUp(turn: BlocksTurn, round: number): void {
    const { block, party } = turn.state;
    const { excluded } = party.standing;
    if (excluded.length === block.excluded.length) {
      return turn.refuse(`block ${block.number} has named nobody; it goes on`);
    }
    const start = encodeBlockStart(first, { number: block.number + 1, firstRound: round, excluded });
    turn.persist(concatBytes(Uint8Array.of(BLOCK_BEGUN), start));
    sendStart(turn, everybody);
  }

  /** A hello of somebody who has not heard of the present block. */
  function isOfEarlierBlock({ number, session }: Block, message: Uint8Array): boolean {
    return number > first.number && kindOf(message) === 'hello' && !isOfSession(session, message);
  }

  function sendStart(turn: BlocksTurn, to: readonly number[]): void {
    turn.emit({ type: 'send', to, kind: 'block', message: encodeBlockStart(first, turn.state.block) });
  }

  return { initial: { block: first, party: partyOf(first) }, apply, step };
}
