import { requireBits } from '@fedcarbon/codec';
import { concatBytes, describeError, equalBytes, InvalidInputError } from '@fedcarbon/kernel';
import { type Block, requireRound } from './block.ts';
import {
  coordinatorFacts,
  dealersOf,
  FACT,
  fact,
  type MaskingCoordinatorState,
  phaseOf,
  roundOf,
  setupOf,
} from './coordinator-state.ts';
import { type Machine, Turn } from './machine.ts';
import { openSum } from './open-sum.ts';
import { encodeOutcome, excludedAfter, type Outcome } from './outcome.ts';
import { checkShape, type SumShape } from './partial-sum.ts';
import { BlockKeys } from './secrets.ts';
import type { CoordinatorEffect, CoordinatorEvent, PartyDependencies, Phase } from './secure-sum.ts';
import { checkEntry, survivorsProblem } from './setup.ts';
import { kindOf } from './v1/bytes-cursor.ts';
import {
  decodeConsent,
  decodePartial,
  encodeSurvivors,
  encodeUnmask,
  type Partial,
  survivorsStatement,
} from './v1/round-messages.ts';
import { decodeHello, encodeDelivered, encodeRoster, entryDigest, rosterStatement } from './v1/setup-messages.ts';

/**
 * The coordinator of double masking: collects a block's keys and shares, then round by round the masked sum, the survivors' signatures and their answers;
 * opens the sum or abandons the round. It chooses one set of survivors a round, and persists it before it tells anybody.
 */
export function maskingCoordinator(
  block: Block,
  { crypto, signer }: PartyDependencies,
): Machine<MaskingCoordinatorState, CoordinatorEvent, CoordinatorEffect> {
  const keys = new BlockKeys(crypto, block.session);
  const { apply, setupFrom, readShares, readAnswer, partialOf } = coordinatorFacts(block, crypto);
  type CoordinatorTurn = Turn<MaskingCoordinatorState, CoordinatorEffect>;

  function step(state: MaskingCoordinatorState, event: CoordinatorEvent) {
    const turn: CoordinatorTurn = new Turn(state, apply);
    try {
      if (event.type === 'message') receive(turn, event.from, event.message);
      else if (event.type === 'partial')
        onPartial(turn, decodePartial(block, 0, event.message), FACT.partial, 0, event.message);
      else if (event.type === 'open') onOpen(turn, event);
      else if (event.type === 'deadline') onDeadline(turn, event.phase, event.round);
      else if (event.type === 'resume') resume(turn);
      else turn.refuse(`the coordinator of a block takes no ${event.type} event`);
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
    if (block.excluded.includes(from)) throw new InvalidInputError(`member ${from} is excluded`);
    const { entry, commitments } = decodeHello(block, message);
    checkEntry(block, from, entry, crypto);
    if (!equalBytes(crypto.sha256(concatBytes(...commitments)), entry.commitmentsDigest)) {
      throw new InvalidInputError(`the commitments of member ${from} are not those that it has signed`);
    }
    turn.persist(fact(FACT.hello, from, message));
    goOn(turn);
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
    if (known && ![...known].every(([holder, piece]) => equalBytes(piece, sealed.get(holder) as Uint8Array))) {
      throw new InvalidInputError(`member ${from} has dealt other shares before`);
    }
    if (dealers) {
      if (!known) throw new InvalidInputError(`member ${from} deals shares after the dealing was closed`);
      return sendDelivered(turn, [from]);
    }
    if (known) return;
    turn.persist(fact(FACT.shares, from, message));
    goOn(turn);
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
    requireRound(block, round);
    if (excludedAfter(block, finished).length > block.excluded.length) {
      throw new InvalidInputError(`block ${block.number} has bad dealers; set up another one without them`);
    }
    if (finished.has(round)) throw new InvalidInputError(`round ${round} is over; an abandoned round is not run again`);
    if (current?.shape.round === round) return;
    if (current) throw new InvalidInputError(`round ${current.shape.round} is still open`);
    turn.persist(
      concatBytes(fact(FACT.begun, round), Uint8Array.of(length >>> 16, (length >>> 8) & 255, length & 255, bits)),
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
    goOn(turn);
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
    if (signers) {
      // One that comes after the certificate comes from somebody who has been sent it with all the others.
      if (consents.has(from)) sendUnmask(turn, [from]);
      return;
    }
    if (consents.has(from)) return;
    const statement = survivorsStatement(block, { rosterHash, dealers: dealersOf(turn.state) }, { round, survivors });
    if (!crypto.verifySignature(block.members[from] as Uint8Array, statement, signature)) {
      throw new InvalidInputError(`member ${from} has not signed for these survivors`, { code: 'bad_signature' });
    }
    turn.persist(fact(FACT.consent, from, message));
    goOn(turn);
  }

  function onAnswer(turn: CoordinatorTurn, from: number, message: Uint8Array): void {
    const { shape, survivors, signers, answers } = roundOf(turn.state);
    const { round } = readAnswer(turn.state, from, message);
    if (round !== shape.round) throw new InvalidInputError(`round ${round} is not open`);
    if (!signers || !survivors?.includes(from))
      throw new InvalidInputError(`member ${from} is not asked for an answer`);
    if (answers.has(from)) return;
    turn.persist(fact(FACT.answer, from, message));
    goOn(turn);
  }

  /** Ends the waiting for what is complete. Also after a restart, as a crash may have come between a message and what follows from it. */
  function goOn(turn: CoordinatorTurn): void {
    const { hellos, setup, shares, dealers, round } = turn.state;
    if (!setup) {
      if (hellos.size === block.members.length - block.excluded.length) closeRoster(turn);
    } else if (!dealers) {
      if (shares.size === setup.topology.members.length) closeShares(turn);
    } else if (!round) return;
    else if (!round.survivors) {
      if (round.included.length === dealers.length) closeSum(turn);
    } else if (round.signers) {
      tryToOpen(turn, round.survivors, round.answers.size === round.survivors.length);
    } else if (round.consents.size >= setup.topology.threshold) {
      turn.persist(fact(FACT.certified, 0));
      sendUnmask(turn, round.survivors);
    }
  }

  /** Opens the sum if the answers give all secrets; else, when there are `noMore` answers, abandons the round. */
  function tryToOpen(turn: CoordinatorTurn, survivors: readonly number[], noMore: boolean): void {
    const { shape, sum, answers } = roundOf(turn.state);
    const setup = setupOf(turn.state);
    const { threshold } = setup.topology;
    if (answers.size < threshold) {
      if (noMore) abandon(turn, `${answers.size} answers are not enough to take the masks off`);
      return;
    }
    const commitments = (member: number) => turn.state.hellos.get(member)?.commitments ?? [];
    const dealers = dealersOf(turn.state);
    const opened = openSum(block, setup, commitments, { shape, dealers, survivors, sum, answers }, crypto, keys);
    if ('sum' in opened) {
      finish(turn, { type: 'opened', round: shape.round, survivors, sum: opened.sum });
    } else if (noMore) {
      const { wrong } = opened;
      // More dealers than the sum is made to bear: then answers are wrong, and nobody can tell whose.
      if (wrong.length > Math.max(1, dealers.length / 3)) abandon(turn, 'too many answers are wrong');
      else if (wrong.length === 0) abandon(turn, `${answers.size} answers are not enough to take the masks off`);
      else abandon(turn, `the shares of member ${wrong.join(', ')} do not give what it committed to`, wrong);
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
    else tryToOpen(turn, current.survivors, true);
  }

  function abandon(turn: CoordinatorTurn, reason: string, excluded: readonly number[] = []): void {
    finish(turn, { type: 'abandoned', round: roundOf(turn.state).shape.round, reason, excluded });
  }

  function finish(turn: CoordinatorTurn, outcome: Outcome): void {
    const { bits } = roundOf(turn.state).shape;
    turn.persist(fact(FACT.finished, outcome.round, encodeOutcome(block, outcome, bits)));
    turn.emit(outcome);
  }

  function resume(turn: CoordinatorTurn): void {
    const { setup, dealers, round, finished } = turn.state;
    const last = [...finished.values()].at(-1);
    if (setup && !dealers) sendRoster(turn, setup.topology.members);
    else if (round?.signers) sendUnmask(turn, round.survivors ?? []);
    else if (round?.survivors) sendSurvivors(turn);
    else if (!round && last) turn.emit(last);
    else if (dealers && !last) {
      sendDelivered(turn, dealers);
      turn.emit({ type: 'ready', members: dealers });
    }
    goOn(turn);
  }

  function sendRoster(turn: CoordinatorTurn, to: readonly number[]): void {
    const { topology, rosterHash, entries } = setupOf(turn.state);
    const signature = signer.sign(rosterStatement(rosterHash));
    const all = [...entries]
      .sort(([a], [b]) => a - b)
      .map(([member, entry]) => ({ member, digest: entryDigest(crypto.sha256, entry), entry }));
    for (const receiver of to) {
      const around = new Set(topology.neighbours(receiver));
      const members = all.map(({ entry, ...rest }) => (around.has(rest.member) ? { ...rest, entry } : rest));
      const message = encodeRoster(block, { members, signature });
      turn.emit({ type: 'send', to: [receiver], kind: 'roster', message });
    }
  }

  function sendDelivered(turn: CoordinatorTurn, to: readonly number[]): void {
    const { topology } = setupOf(turn.state);
    const dealers = dealersOf(turn.state);
    for (const receiver of to) {
      const sealed = topology
        .neighbours(receiver)
        .flatMap((dealer) => turn.state.shares.get(dealer)?.get(receiver) ?? []);
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

  return {
    initial: { hellos: new Map(), shares: new Map(), finished: new Map() },
    apply,
    step,
  };
}
