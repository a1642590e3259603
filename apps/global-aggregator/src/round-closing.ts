import type { ByteCounts, FederationPlan, RegionalReport } from '@fedcarbon/contracts';
import { type RandomSource, type Sha256, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import { finalWeights, type GamState, modelBytes } from '@fedcarbon/learning';
import { entryBytes, type LedgerEntry } from '@fedcarbon/ledger';
import type { NewOutboxMessage, NewRound, RoundRow } from '@fedcarbon/persistence';
import type { Accountant } from '@fedcarbon/privacy';
import { type FederationEffect, noiseSdOfSum, replayLearner, roundIdOf, roundShape } from '@fedcarbon/round';
import type { CheckpointSigner, SignedCheckpoint } from './checkpoint-signer.ts';
import { combine } from './regional-reports.ts';
import { roundClosedMessage, type RoundInSum, roundOpenedMessage } from './round-messages.ts';
import { largestEpsilon } from './spending.ts';
import type { Records } from './store.ts';

interface Parts {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly signer: Signer;
  readonly sha256: Sha256;
  readonly checkpoints: CheckpointSigner;
  readonly composer: Pick<Accountant, 'epsilonOf'>;
  readonly random: RandomSource;
}

/** What the secure sum of a round came to. */
export interface OpenedSum {
  /** Packed modular sum; none when it was not opened. */
  readonly aggregate?: Uint8Array;
  /** Of its own messages. */
  readonly bytes: ByteCounts;
}

/** Where the federation stands when effects are carried out. */
interface Standing {
  /** All of the plan, the open one last. */
  readonly rounds: readonly RoundRow[];
  /** Of the open round: those that count. */
  readonly reports: readonly RegionalReport[];
  /** Where updates are masked. */
  readonly sum?: OpenedSum;
  /** Of the round that is opened, where updates are masked. */
  readonly inSum?: RoundInSum;
}

/** What was done about rounds. */
export interface CarriedOut {
  readonly closed?: CloseRound;
  /** The round that was closed, as it was before. */
  readonly open?: RoundRow;
  readonly opened?: NewRound;
}

type CloseRound = Extract<FederationEffect, { type: 'closeRound' }>;
type Announcement = Parameters<typeof roundClosedMessage>[0];

/**
 * What one transaction does about a round's end and the next one's beginning. Ledger entries are collected and appended at the very end, by `seal`: from
 * the first of them on, the accountant waits.
 */
export class RoundClosing {
  readonly #parts: Parts;
  readonly #records: Records;
  readonly #nowMs: number;
  readonly #entries: LedgerEntry[] = [];
  readonly #messages: NewOutboxMessage[] = [];
  #announcement: Omit<Announcement, 'ledger'> | undefined;

  constructor(parts: Parts, records: Records, nowMs: number) {
    this.#parts = parts;
    this.#records = records;
    this.#nowMs = nowMs;
  }

  /** Carries out what the course of rounds says. */
  async carryOut(effects: readonly FederationEffect[], standing: Standing): Promise<CarriedOut> {
    const { plan, planHash } = this.#parts;
    const { plans, rounds } = this.#records;
    const open = standing.rounds.at(-1);
    let done: CarriedOut = {};
    let learner: GamState | undefined;
    for (const effect of effects) {
      if (effect.type === 'closeRound') {
        if (open === undefined) throw new Error('no round is open');
        learner = await this.#close(open, effect, standing, effects.at(-1)?.type === 'complete');
        done = { ...done, closed: effect, open };
      } else if (effect.type === 'openRound') {
        const opened = this.#newRound(effect);
        if (!(await rounds.open(opened))) throw new Error(`round ${opened.roundId} exists already`);
        learner ??= replayLearner(plan, modelAggregates(standing.rounds));
        this.#open(opened, learner, standing.inSum);
        done = { ...done, opened };
      } else if (effect.type === 'complete') {
        await plans.complete(planHash);
        this.enter({ kind: 'federation.completed', planHash, reason: effect.reason, rounds: effect.rounds });
      }
    }
    return done;
  }

  #newRound({ index, purpose }: Pick<NewRound, 'index' | 'purpose'>): NewRound {
    const { plan, planHash, random } = this.#parts;
    return {
      roundId: roundIdOf(planHash, index),
      planHash,
      index,
      purpose,
      seed: toHex(random.bytes(32)),
      ...roundShape(plan, purpose),
      openedAtMs: this.#nowMs,
      regionalDeadlineAtMs: this.#nowMs + plan.round.regionalDeadlineMs,
      deadlineAtMs: this.#nowMs + plan.round.globalDeadlineMs,
    };
  }

  /** Writes the end of a round and what it released. Returns the learner after it. */
  async #close(
    open: RoundRow,
    close: CloseRound,
    { rounds, reports, sum }: Standing,
    last: boolean,
  ): Promise<GamState> {
    const { plan, planHash, composer, sha256 } = this.#parts;
    const { roundId, index, purpose } = open;
    const { outcome, reason } = close;
    const combined = combine(reports, open.bits);
    const released = sum === undefined ? combined.aggregate : () => sum.aggregate;
    const aggregate = outcome === 'released' ? released() : undefined;
    const bytes = {
      up: combined.bytes.up + (sum?.bytes.up ?? 0),
      down: combined.bytes.down + (sum?.bytes.down ?? 0),
    };
    const earlier = modelAggregates(rounds);
    const learned = purpose === 'model' && aggregate !== undefined;
    const learner = replayLearner(plan, learned ? [...earlier, aggregate] : earlier);
    this.enter({
      kind: 'round.closed',
      ...{ planHash, roundId, index, purpose, outcome },
      ...(reason === undefined ? {} : { reason }),
      ...(aggregate === undefined ? {} : { aggregate: toBase64Url(aggregate) }),
      participants: combined.participants,
      verdicts: combined.verdicts,
      ...(learned ? { modelDigest: toHex(sha256(modelBytes(learner.weights))) } : {}),
    });
    const [charges] = await Promise.all([
      this.#records.charges.committed(),
      this.#records.rounds.close(roundId, {
        status: outcome,
        reason,
        closedAtMs: this.#nowMs,
        participants: close.participants,
        aggregate,
        bytesUp: bytes.up,
        bytesDown: bytes.down,
        accepted: combined.accepted,
      }),
    ]);
    const epsilon = largestEpsilon(plan, charges, composer);
    const version = aggregate && (await this.#publish(open, close, aggregate, learner, epsilon));
    this.#announcement = {
      ...{ planHash, roundId, index, purpose, outcome },
      ...(reason === undefined ? {} : { reason }),
      participants: close.participants,
      durationMs: Math.max(0, this.#nowMs - open.openedAtMs),
      bytes,
      ...(version === undefined ? {} : { version }),
      epsilonSpentMax: epsilon,
      last,
    };
    return learner;
  }

  async #publish(
    { roundId, purpose }: RoundRow,
    { participants }: CloseRound,
    aggregate: Uint8Array,
    learner: GamState,
    epsilon: number,
  ): Promise<number> {
    const { plan, planHash, sha256 } = this.#parts;
    const { published } = this.#records;
    const createdAtMs = this.#nowMs;
    if (purpose === 'model') {
      const weights = modelBytes(finalWeights(learner));
      const digest = toHex(sha256(weights));
      const rounds = learner.round;
      const version = await published.publishModel({
        ...{ planHash, roundId, weights, digest, epsilon, rounds, createdAtMs },
      });
      this.enter({
        kind: 'model.published',
        ...{ planHash, version, roundId, modelDigest: digest, epsilon, rounds },
      });
      return version;
    }
    const digest = toHex(sha256(aggregate));
    const noiseSd = noiseSdOfSum(plan, purpose, participants);
    const version = await published.publishBenchmarks({
      ...{ planHash, roundId, counts: aggregate, digest, noiseSd, participants, epsilon, createdAtMs },
    });
    this.enter({ kind: 'benchmarks.published', planHash, version, roundId, releaseDigest: digest });
    return version;
  }

  /** Announces and enters a round that was opened. */
  #open(opened: NewRound, learner: GamState, inSum?: RoundInSum): void {
    const { signer, sha256 } = this.#parts;
    const { planHash, roundId, index, purpose, seed, event, bits, length } = opened;
    this.#messages.push(roundOpenedMessage(opened, learner, inSum, signer, sha256));
    this.enter({ kind: 'round.opened', planHash, roundId, index, purpose, seed, event, bits, length });
  }

  enter(entry: LedgerEntry): void {
    this.#entries.push(entry);
  }

  /** Seals what there is; nothing without entries. */
  async sealIfAny(): Promise<SignedCheckpoint | undefined> {
    return this.#entries.length === 0 ? undefined : this.seal();
  }

  /** Appends the entries, signs the new head, and announces the close with it. Nothing comes after it in the transaction. */
  async seal(): Promise<SignedCheckpoint> {
    const { signer, sha256, checkpoints } = this.#parts;
    const { ledger, outbox } = this.#records;
    const size = await ledger.appendAll(this.#entries.map((entry) => ({ kind: entry.kind, body: entryBytes(entry) })));
    const checkpoint = await checkpoints.sign(ledger, size);
    if (this.#announcement !== undefined) {
      const closed = { ...this.#announcement, ledger: { size, root: checkpoint.root } };
      this.#messages.push(roundClosedMessage(closed, signer, sha256));
    }
    await Promise.all([ledger.addCheckpoint(size, checkpoint.note), outbox.enqueue(...this.#messages)]);
    return checkpoint;
  }
}

/** Aggregates of the released model rounds, in order: what the learner is replayed from. */
export function modelAggregates(rounds: readonly RoundRow[]): Uint8Array[] {
  return rounds.flatMap(({ purpose, aggregate }) =>
    purpose === 'model' && aggregate !== undefined ? [aggregate] : [],
  );
}
