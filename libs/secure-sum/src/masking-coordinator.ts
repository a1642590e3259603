import { addModulo, type Residues, requireBits } from '@fedcarbon/codec';
import { concatBytes, describeError, equalBytes, InvalidInputError } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import { type Machine, Turn } from './machine.ts';
import { heldBy, openSum } from './open-sum.ts';
import { checkShape, type SumShape } from './partial-sum.ts';
import { BlockKeys } from './secrets.ts';
import type { CoordinatorEffect, CoordinatorEvent, PartyDependencies, Phase } from './secure-sum.ts';
import { checkEntry, type Setup, survivorsProblem } from './setup.ts';
import { buildTopology } from './topology.ts';
import { kindOf, u16 } from './v1/bytes-cursor.ts';
import {
  decodeAnswer,
  decodeConsent,
  decodeMasked,
  decodePartial,
  encodeSurvivors,
  encodeUnmask,
  type Partial,
  survivorsStatement,
} from './v1/round-messages.ts';
import {
  decodeHello,
  decodeShares,
  encodeDelivered,
  encodeRoster,
  entryDigest,
  type Hello,
  rosterHashOf,
  rosterStatement,
} from './v1/setup-messages.ts';

/** First byte of a coordinator's facts: accepted messages with their sender, and decisions. What was decided follows from the messages before it. */
const FACT = {
  hello: 1,
  rosterClosed: 2,
  shares: 3,
  sharesClosed: 4,
  opened: 5,
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
  /** By dealer: what it sealed for its neighbours, ascending. */
  readonly shares: ReadonlyMap<number, readonly Uint8Array[]>;
  readonly dealers?: readonly number[];
  readonly round?: CoordinatorRound;
  readonly finished: ReadonlySet<number>;
}

interface CoordinatorRound {
  readonly shape: SumShape;
  readonly included: readonly number[];
  readonly sum: Residues;
  readonly survivors?: readonly number[];
  readonly consents: ReadonlyMap<number, Uint8Array>;
  readonly signers?: readonly number[];
  readonly answers: ReadonlyMap<number, readonly Uint8Array[]>;
}

/**
 * The coordinator of double masking: collects a block's keys and shares, then round by round the masked sum, the survivors' signatures and their answers;
 * opens the sum or abandons the round. It chooses one set of survivors a round, and persists it before it tells anybody.
 */
export function maskingCoordinator(
  block: Block,
  { crypto, signer }: PartyDependencies,
): Machine<MaskingCoordinatorState, CoordinatorEvent, CoordinatorEffect> {
  const keys = new BlockKeys(crypto, block.session);
  type CoordinatorTurn = Turn<MaskingCoordinatorState, CoordinatorEffect>;

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
      case FACT.opened: {
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
        return { ...rest, finished: new Set(state.finished).add(from) };
      }
      default:
        throw new InvalidInputError(`a coordinator has no fact of kind ${fact[0]}`);
    }
  }

  function step(state: MaskingCoordinatorState, event: CoordinatorEvent) {
    const turn: CoordinatorTurn = new Turn(state, apply);
    try {
      if (event.type === 'message') receive(turn, event.from, event.message);
      else if (event.type === 'partial')
        onPartial(turn, decodePartial(block, 0, event.message), FACT.partial, 0, event.message);
      else if (event.type === 'open') onOpen(turn, event);
      else if (event.type === 'deadline') onDeadline(turn, event.phase, event.round);
      else if (event.type === 'resume') resume(turn);
      else turn.refuse('double masking has no helper');
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      turn.refuse(describeError(error));
    }
    return { state: turn.state, effects: turn.effects };
  }

  function receive(turn: CoordinatorTurn, from: number, message: Uint8Array): void {
    if (!block.members[from]) throw new InvalidInputError(`the plan has no member ${from}`);
    const kind = kindOf(message);
    if (kind === 'hello') onHello(turn, from, message);
    else if (kind === 'shares') onShares(turn, from, message);
    else if (kind === 'masked') onPartial(turn, partialOf(from, message), FACT.masked, from, message);
    else if (kind === 'consent') onConsent(turn, from, message);
    else if (kind === 'answer') onAnswer(turn, from, message);
    else turn.refuse(`a coordinator takes no ${kind ?? 'unknown'} message`);
  }

  function onHello(turn: CoordinatorTurn, from: number, message: Uint8Array): void {
    const { hellos, setup } = turn.state;
    const known = hellos.get(from);
    if (known && !equalBytes(known.message, message)) {
      throw new InvalidInputError(`member ${from} has said another hello before`);
    }
    if (setup) {
      if (!known) throw new InvalidInputError(`member ${from} says hello after the roster was closed`);
      return sendRoster(turn, [from]);
    }
    if (known) return;
    const { entry, commitments } = decodeHello(block, message);
    checkEntry(block, from, entry, crypto);
    if (!equalBytes(crypto.sha256(concatBytes(...commitments)), entry.commitmentsDigest)) {
      throw new InvalidInputError(`the commitments of member ${from} are not those that it has signed`);
    }
    turn.persist(fact(FACT.hello, from, message));
    if (turn.state.hellos.size === block.members.length) closeRoster(turn);
  }

  function closeRoster(turn: CoordinatorTurn): void {
    const { size } = turn.state.hellos;
    if (size < block.minSurvivors) {
      return turn.emit({ type: 'failed', reason: `${size} clients joined, at least ${block.minSurvivors} are needed` });
    }
    try {
      setupFrom(turn.state.hellos);
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      return turn.emit({ type: 'failed', reason: describeError(error) });
    }
    turn.persist(fact(FACT.rosterClosed, 0));
    sendRoster(turn, setupOf(turn.state).topology.members);
  }

  function onShares(turn: CoordinatorTurn, from: number, message: Uint8Array): void {
    const { shares, dealers } = turn.state;
    const sealed = readShares(turn.state, from, message);
    const known = shares.get(from);
    if (known && !known.every((piece, i) => equalBytes(piece, sealed[i] as Uint8Array))) {
      throw new InvalidInputError(`member ${from} has dealt other shares before`);
    }
    if (dealers) {
      if (!known) throw new InvalidInputError(`member ${from} deals shares after the dealing was closed`);
      return sendDelivered(turn, [from]);
    }
    if (known) return;
    turn.persist(fact(FACT.shares, from, message));
    if (turn.state.shares.size === setupOf(turn.state).topology.members.length) closeShares(turn);
  }

  function closeShares(turn: CoordinatorTurn): void {
    const { topology } = setupOf(turn.state);
    const dealt = [...turn.state.shares.keys()];
    const problem = survivorsProblem(block, topology, dealt, dealt);
    if (problem !== undefined) return turn.emit({ type: 'failed', reason: `dealers: ${problem}` });
    turn.persist(fact(FACT.sharesClosed, 0));
    const dealers = dealersOf(turn.state);
    sendDelivered(turn, dealers);
    turn.emit({ type: 'ready', members: dealers });
  }

  function onOpen(turn: CoordinatorTurn, { round, length, bits }: SumShape): void {
    const { round: current, finished } = turn.state;
    dealersOf(turn.state);
    requireBits(bits);
    if (!(Number.isInteger(round) && round >= 0 && round < block.rounds)) {
      throw new InvalidInputError(`round ${round} is not one of the block's ${block.rounds}`);
    }
    if (finished.has(round)) throw new InvalidInputError(`round ${round} is over; an abandoned round is not run again`);
    if (current?.shape.round === round) return;
    if (current) throw new InvalidInputError(`round ${current.shape.round} is still open`);
    turn.persist(
      concatBytes(fact(FACT.opened, round), Uint8Array.of(length >>> 16, (length >>> 8) & 255, length & 255, bits)),
    );
  }

  function onPartial(turn: CoordinatorTurn, partial: Partial, kind: number, from: number, message: Uint8Array): void {
    const { shape, included, survivors } = roundOf(turn.state);
    checkShape(shape, partial);
    if (survivors) throw new InvalidInputError(`round ${shape.round} takes no vectors any more`);
    const dealers = dealersOf(turn.state);
    for (const member of partial.members) {
      if (!dealers.includes(member)) throw new InvalidInputError(`member ${member} has not dealt shares`);
      if (included.includes(member)) throw new InvalidInputError(`member ${member} is in the sum of the round already`);
    }
    turn.persist(fact(kind, from, message));
    if (roundOf(turn.state).included.length === dealers.length) closeSum(turn);
  }

  function closeSum(turn: CoordinatorTurn): void {
    const { included } = roundOf(turn.state);
    const problem = survivorsProblem(block, setupOf(turn.state).topology, dealersOf(turn.state), included);
    if (problem !== undefined) return abandon(turn, problem);
    turn.persist(fact(FACT.sumClosed, 0));
    sendSurvivors(turn);
  }

  function onConsent(turn: CoordinatorTurn, from: number, message: Uint8Array): void {
    const { shape, survivors, consents, signers } = roundOf(turn.state);
    const { topology, rosterHash } = setupOf(turn.state);
    const { round, signature } = decodeConsent(block, message);
    if (round !== shape.round) throw new InvalidInputError(`round ${round} is not open`);
    if (!survivors?.includes(from) || !topology.committee.includes(from)) {
      throw new InvalidInputError(`member ${from} is not asked for a signature`);
    }
    if (signers) return sendUnmask(turn, [from]);
    if (consents.has(from)) return;
    const statement = survivorsStatement(block, { rosterHash, dealers: dealersOf(turn.state) }, { round, survivors });
    if (!crypto.verifySignature(block.members[from] as Uint8Array, statement, signature)) {
      throw new InvalidInputError(`member ${from} has not signed for these survivors`, { code: 'bad_signature' });
    }
    turn.persist(fact(FACT.consent, from, message));
    if (roundOf(turn.state).consents.size < topology.threshold) return;
    turn.persist(fact(FACT.certified, 0));
    sendUnmask(turn, survivors);
  }

  function onAnswer(turn: CoordinatorTurn, from: number, message: Uint8Array): void {
    const { shape, survivors, signers, answers } = roundOf(turn.state);
    const { round } = readAnswer(turn.state, from, message);
    if (round !== shape.round) throw new InvalidInputError(`round ${round} is not open`);
    if (!signers || !survivors?.includes(from))
      throw new InvalidInputError(`member ${from} is not asked for an answer`);
    if (answers.has(from)) return;
    turn.persist(fact(FACT.answer, from, message));
    tryToOpen(turn, survivors);
  }

  function tryToOpen(turn: CoordinatorTurn, survivors: readonly number[]): void {
    const { shape, sum, answers } = roundOf(turn.state);
    const setup = setupOf(turn.state);
    if (answers.size < setup.topology.threshold) return;
    const commitments = (member: number) => turn.state.hellos.get(member)?.commitments ?? [];
    const masked = { shape, dealers: dealersOf(turn.state), survivors, sum, answers };
    const opened = openSum(block, setup, commitments, masked, crypto, keys);
    if ('sum' in opened) {
      turn.persist(fact(FACT.finished, shape.round));
      turn.emit({ type: 'opened', round: shape.round, survivors, sum: opened.sum });
    } else if (answers.size === survivors.length) {
      abandon(turn, `the shares of member ${opened.missing} do not give what it committed to`);
    }
  }

  function onDeadline(turn: CoordinatorTurn, phase: Phase, round: number | undefined): void {
    const { setup, dealers, round: current } = turn.state;
    if (phase !== phaseOf(turn.state) || (current && current.shape.round !== round)) return;
    if (!setup) closeRoster(turn);
    else if (!dealers) closeShares(turn);
    else if (!current?.survivors) closeSum(turn);
    else if (!current.signers)
      abandon(turn, `${current.consents.size} signatures for the survivors, ${setup.topology.threshold} are needed`);
    else abandon(turn, `${current.answers.size} answers are not enough to take the masks off`);
  }

  function abandon(turn: CoordinatorTurn, reason: string): void {
    const { round } = roundOf(turn.state).shape;
    turn.persist(fact(FACT.finished, round));
    turn.emit({ type: 'abandoned', round, reason });
  }

  function resume(turn: CoordinatorTurn): void {
    const { setup, dealers, round } = turn.state;
    if (setup && !dealers) sendRoster(turn, setup.topology.members);
    if (dealers && !round && turn.state.finished.size === 0) {
      sendDelivered(turn, dealers);
      turn.emit({ type: 'ready', members: dealers });
    }
    if (round?.signers) {
      sendUnmask(turn, round.survivors ?? []);
      tryToOpen(turn, round.survivors ?? []);
    } else if (round?.survivors) sendSurvivors(turn);
  }

  function sendRoster(turn: CoordinatorTurn, to: readonly number[]): void {
    const { topology, rosterHash, entries } = setupOf(turn.state);
    const signature = signer.sign(rosterStatement(rosterHash));
    const viewOf = (receiver: number): Uint8Array => {
      const around = new Set(topology.holders(receiver));
      const members = topology.members.map((member) => {
        const entry = entries.get(member);
        if (!entry) throw new Error(`no entry of member ${member}`);
        const digest = entryDigest(crypto.sha256, entry);
        return around.has(member) ? { member, digest, entry } : { member, digest };
      });
      return encodeRoster(block, { members, signature });
    };
    const groups = block.graph.kind === 'complete' ? [to] : to.map((member) => [member]);
    for (const group of groups) {
      turn.emit({ type: 'send', to: group, kind: 'roster', message: viewOf(group[0] as number) });
    }
  }

  function sendDelivered(turn: CoordinatorTurn, to: readonly number[]): void {
    const { topology } = setupOf(turn.state);
    const dealers = dealersOf(turn.state);
    for (const receiver of to) {
      const sealed = topology.neighbours(receiver).flatMap((dealer) => {
        const piece = turn.state.shares.get(dealer)?.[topology.neighbours(dealer).indexOf(receiver)];
        return piece ? [piece] : [];
      });
      turn.emit({
        type: 'send',
        to: [receiver],
        kind: 'delivered',
        message: encodeDelivered(block, { dealers, sealed }),
      });
    }
  }

  function sendSurvivors(turn: CoordinatorTurn): void {
    const { shape, survivors = [] } = roundOf(turn.state);
    const { committee } = setupOf(turn.state).topology;
    turn.emit({
      type: 'send',
      to: survivors.filter((member) => committee.includes(member)),
      kind: 'survivors',
      message: encodeSurvivors(block, { round: shape.round, survivors }),
    });
  }

  function sendUnmask(turn: CoordinatorTurn, to: readonly number[]): void {
    const { shape, survivors = [], signers = [], consents } = roundOf(turn.state);
    const signatures = signers.map((member) => consents.get(member) as Uint8Array);
    const message = encodeUnmask(block, { round: shape.round, survivors, signers, signatures });
    turn.emit({ type: 'send', to, kind: 'unmask', message });
  }

  function setupFrom(hellos: MaskingCoordinatorState['hellos']): Setup {
    const members = [...hellos].map(([member, { entry }]) => ({ member, digest: entryDigest(crypto.sha256, entry) }));
    members.sort((a, b) => a.member - b.member);
    const rosterHash = rosterHashOf(crypto.sha256, block, members);
    return {
      rosterHash,
      topology: buildTopology(
        block.graph,
        members.map(({ member }) => member),
        rosterHash,
        crypto,
      ),
      entries: new Map([...hellos].map(([member, { entry }]) => [member, entry])),
    };
  }

  function readShares(state: MaskingCoordinatorState, from: number, message: Uint8Array): Uint8Array[] {
    const { topology } = setupOf(state);
    if (!topology.members.includes(from)) throw new InvalidInputError(`member ${from} is not in the roster`);
    return decodeShares(block, topology.neighbours(from).length, message);
  }

  function readAnswer(state: MaskingCoordinatorState, from: number, message: Uint8Array) {
    return decodeAnswer(block, heldBy(setupOf(state), dealersOf(state), from).length, message);
  }

  function partialOf(from: number, message: Uint8Array): Partial {
    return { ...decodeMasked(block, 0, message), members: [from], sealed: [] };
  }

  return {
    initial: { hellos: new Map(), shares: new Map(), finished: new Set() },
    apply,
    step,
  };
}

/** What the coordinator waits for, or undefined between rounds. */
export function phaseOf({ setup, dealers, round }: MaskingCoordinatorState): Phase | undefined {
  if (!setup) return 'hello';
  if (!dealers) return 'shares';
  if (!round) return undefined;
  if (!round.survivors) return 'masked';
  return round.signers ? 'answer' : 'consent';
}

function fact(kind: number, from: number, message: Uint8Array = new Uint8Array()): Uint8Array {
  return concatBytes(Uint8Array.of(kind), u16(from), message);
}

function including(state: MaskingCoordinatorState, { members, values }: Partial): MaskingCoordinatorState {
  const { included, sum, shape } = roundOf(state);
  return withRound(state, { included: [...included, ...members], sum: addModulo(sum, values, shape.bits) });
}

function withRound(
  state: MaskingCoordinatorState,
  change: { readonly [K in keyof CoordinatorRound]?: CoordinatorRound[K] },
): MaskingCoordinatorState {
  return { ...state, round: { ...roundOf(state), ...change } };
}

function roundOf({ round }: MaskingCoordinatorState): CoordinatorRound {
  if (!round) throw new InvalidInputError('no round is open');
  return round;
}

function setupOf({ setup }: MaskingCoordinatorState): Setup {
  if (!setup) throw new InvalidInputError('the roster is not closed yet');
  return setup;
}

function dealersOf({ dealers }: MaskingCoordinatorState): readonly number[] {
  if (!dealers) throw new InvalidInputError('the shares are not all there yet');
  return dealers;
}
