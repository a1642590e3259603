import { type ByteCounts, type FederationPlan, HELPER, signMasking, SUBJECTS } from '@fedcarbon/contracts';
import type { Sha256, Signer } from '@fedcarbon/kernel';
import { messageBytes, messageIdOf } from '@fedcarbon/messaging';
import type { MaskingFactRow, MaskingRepository, NewOutboxMessage } from '@fedcarbon/persistence';
import { membersInOrder, secureSumOf } from '@fedcarbon/round';
import type {
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorParty,
  CoordinatorStanding,
  SecureSumCrypto,
} from '@fedcarbon/secure-sum';

interface CoordinatorParts {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly signer: Signer;
  readonly sha256: Sha256;
  readonly crypto: SecureSumCrypto;
}

/** What the coordinator tells the course of rounds. */
export type Outcome = Extract<CoordinatorEffect, { type: 'ready' | 'opened' | 'abandoned' | 'failed' }>;

/** The coordinator as the facts up to some point make it. */
export interface CoordinatorView extends CoordinatorStanding {
  readonly party: CoordinatorParty;
  /** Number of facts behind it. */
  readonly facts: number;
  readonly phaseSinceMs: number;
  /** Between holders and coordinator since the last round ended; the exchange of keys counts towards the first. */
  readonly bytes: ByteCounts;
  /** Those of the round that ended last. */
  readonly bytesOfEnded: ByteCounts;
}

const NO_BYTES: ByteCounts = { up: 0, down: 0 };

/**
 * Keeps the secure sum's coordinator (@fedcarbon/secure-sum) in the database: its facts are appended in the transaction of the step, and the messages that
 * follow go through the outbox. The state in memory is only what has been read or committed; every transaction catches up first, so instances may be several.
 */
export class SumCoordinator {
  readonly #parts: CoordinatorParts;
  #view: CoordinatorView;

  constructor(parts: CoordinatorParts) {
    const { plan, planHash, sha256, crypto, signer } = parts;
    this.#parts = parts;
    const party = secureSumOf(plan, planHash, sha256).coordinator({ crypto, signer });
    this.#view = { ...party.standing, party, facts: 0, phaseSinceMs: 0, bytes: NO_BYTES, bytesOfEnded: NO_BYTES };
  }

  /** As this process last saw it. */
  get lastSeen(): CoordinatorView {
    return this.#view;
  }

  /** As the database has it now. */
  async look(masking: MaskingRepository): Promise<CoordinatorView> {
    const known = this.#view;
    this.#remember(this.#fold(known, await masking.from(known.facts)));
    return this.#view;
  }

  /** Begins a turn in a transaction that holds the plan's lock. */
  async turn(masking: MaskingRepository, nowMs: number): Promise<CoordinatorTurn> {
    const known = this.#view;
    const rows = await masking.from(known.facts);
    return new CoordinatorTurn(this.#parts, this.#fold(known, rows), nowMs, (view) => {
      this.#remember(view);
    });
  }

  #fold(view: CoordinatorView, rows: readonly MaskingFactRow[]): CoordinatorView {
    return rows.reduce(
      (before, { fact, bytesUp, bytesDown, appendedAtMs }) =>
        after(before, before.party.learn(fact), 1, appendedAtMs, { up: bytesUp, down: bytesDown }),
      view,
    );
  }

  #remember(view: CoordinatorView): void {
    if (view.facts > this.#view.facts) this.#view = view;
  }
}

/** Steps of the coordinator within one transaction. */
export class CoordinatorTurn {
  readonly #parts: CoordinatorParts;
  readonly #nowMs: number;
  readonly #remember: (view: CoordinatorView) => void;
  readonly #first: number;
  readonly #facts: MaskingFactRow[] = [];
  readonly #messages: NewOutboxMessage[] = [];
  /** Events that were not acted upon, and why. */
  readonly refusals: string[] = [];
  view: CoordinatorView;

  constructor(
    parts: CoordinatorParts,
    view: CoordinatorView,
    nowMs: number,
    remember: (view: CoordinatorView) => void,
  ) {
    this.#parts = parts;
    this.view = view;
    this.#first = view.facts;
    this.#nowMs = nowMs;
    this.#remember = remember;
  }

  /** One event, which a message of `bytesUp` bytes brought. */
  step(event: CoordinatorEvent, bytesUp = 0): Outcome[] {
    const { party, effects } = this.view.party.step(event);
    const facts: Uint8Array[] = [];
    const outcomes: Outcome[] = [];
    let bytesDown = 0;
    for (const effect of effects) {
      if (effect.type === 'persist') facts.push(effect.fact);
      else if (effect.type === 'refuse') this.refusals.push(effect.reason);
      else if (effect.type === 'send') bytesDown += this.#send(effect);
      else outcomes.push(effect);
    }
    if (facts.length > 0) {
      // Repeated messages change nothing and are not counted again.
      const bytes = { up: bytesUp, down: bytesDown };
      this.view = after(this.view, party, facts.length, this.#nowMs, bytes);
      facts.forEach((fact, i) => {
        const { up, down } = i === 0 ? bytes : NO_BYTES;
        this.#facts.push({ fact, bytesUp: up, bytesDown: down, appendedAtMs: this.#nowMs });
      });
    }
    return outcomes;
  }

  /** Returns the bytes that holders get. */
  #send({ to, message }: Extract<CoordinatorEffect, { type: 'send' }>): number {
    const { plan, planHash, signer, sha256 } = this.#parts;
    if (to.length === 0) return 0;
    const signed = signMasking(planHash, message, signer);
    const members = membersInOrder(plan);
    const [only] =
      to === 'helper' ? [HELPER] : to.length === 1 ? to.map((member) => members[member]?.holder ?? '') : [];
    // What many are to have goes to everybody at once; the others do not act on it.
    const subject = only === undefined ? SUBJECTS.maskingDownToAll : SUBJECTS.maskingDown(only);
    // A message that is sent again is a message of its own: the first one may be lost.
    const messageId = messageIdOf(sha256, signed, `${only ?? '_'} ${String(this.#nowMs)}`);
    this.#messages.push({ subject, messageId, ...signed });
    const holders = to === 'helper' ? 0 : only === undefined ? members.length : 1;
    return holders * messageBytes(signed.payload.length);
  }

  /** Whether there is anything to write. */
  get changed(): boolean {
    return this.#facts.length > 0 || this.#messages.length > 0;
  }

  /** Appends the facts and leaves the messages in the outbox. */
  async write(masking: MaskingRepository): Promise<void> {
    await Promise.all([masking.append(this.#first, this.#facts), masking.enqueue(this.#messages)]);
  }

  /** The transaction stands. */
  committed(): void {
    this.#remember(this.view);
  }
}

function after(
  before: CoordinatorView,
  party: CoordinatorParty,
  facts: number,
  nowMs: number,
  bytes: ByteCounts,
): CoordinatorView {
  const { standing } = party;
  const sum = { up: before.bytes.up + bytes.up, down: before.bytes.down + bytes.down };
  const ended = before.round !== undefined && standing.round === undefined;
  return {
    ...standing,
    ...{ party, facts: before.facts + facts },
    phaseSinceMs: standing.phase === before.phase ? before.phaseSinceMs : nowMs,
    bytes: ended ? NO_BYTES : sum,
    bytesOfEnded: ended ? sum : before.bytesOfEnded,
  };
}
