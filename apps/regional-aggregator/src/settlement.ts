import {
  abridgedBytes,
  readAbridged,
  readStatement,
  RECEIPT_V1,
  REGIONAL_REPORT_V1,
  ROUND_OPENED_V1,
  type SignedBytes,
  signStatement,
  SUBJECTS,
} from '@fedcarbon/contracts';
import type { Sha256, Signer } from '@fedcarbon/kernel';
import { messageIdOf } from '@fedcarbon/messaging';
import type { DeclinedRow, NewOutboxMessage, RegionUpdateRow } from '@fedcarbon/persistence';
import {
  type Answer,
  type RegionEffect,
  type RegionEvent,
  type RegionRound,
  roundContext,
  stepRegion,
} from '@fedcarbon/round';
import type { RegionInPlan } from './messages.ts';
import { regionalReport } from './report.ts';
import type { Settlement, Situation } from './store.ts';

type Update = Extract<RegionEvent, { type: 'update' }> & {
  /** Packed integers. */
  readonly payload: Uint8Array;
  /** Place of the message in its stream. */
  readonly sequence: number;
};
type Decline = Extract<RegionEvent, { type: 'decline' }> & { readonly signed: SignedBytes };
/** Something that happens to a round, with what has to be kept of it. */
export type Incident = Update | Decline | Extract<RegionEvent, { type: 'tick' }>;

export interface SettlementParts {
  readonly place: RegionInPlan;
  readonly signer: Signer;
  readonly sha256: Sha256;
}

/** What incidents, in their order, add to a round at one time: verdicts with signed receipts, declines, and the report when it is due. */
export function settle(
  parts: SettlementParts,
  situation: Situation,
  incidents: readonly Incident[],
  nowMs: number,
): Settlement {
  const settling = new Settling(parts, situation, nowMs);
  for (const incident of incidents) settling.take(incident);
  return settling.finish();
}

class Settling {
  readonly #parts: SettlementParts;
  readonly #situation: Situation;
  readonly #nowMs: number;
  readonly #updates: RegionUpdateRow[] = [];
  readonly #declines: DeclinedRow[] = [];
  readonly #messages: NewOutboxMessage[] = [];
  #round: RegionRound;
  #due = false;

  constructor(parts: SettlementParts, situation: Situation, nowMs: number) {
    this.#parts = parts;
    this.#situation = situation;
    this.#nowMs = nowMs;
    const { round, updates, declines } = situation;
    const answers = new Map<string, Answer>(declines.map(({ holder }) => [holder, { kind: 'declined' }]));
    for (const { holder, attempt, updateDigest, verdict } of updates) {
      if (verdict === 'accepted') answers.set(holder, { kind: 'accepted', attempt, updateDigest });
    }
    const { picked, deadlineAtMs, status } = round;
    this.#round = { picked, deadlineAtMs, answers, reported: status === 'reported' };
  }

  take(incident: Incident): void {
    if (incident.type === 'update' && this.#answerAgain(incident)) return;
    const before = this.#round;
    const { round, effects } = stepRegion(before, incident, this.#nowMs);
    this.#round = round;
    if (incident.type === 'decline' && round.answers !== before.answers) {
      const { holder, signed } = incident;
      const { roundId } = this.#situation.round;
      const { payload: decline, signature } = signed;
      this.#declines.push({ roundId, holder, decline, signature, receivedAtMs: this.#nowMs });
    }
    for (const effect of effects) {
      if (effect.type === 'report') this.#due = true;
      else if (incident.type === 'update') this.#give(effect, incident);
    }
  }

  /** The same update gets the same receipt, as a message of its own: the first one may be lost. */
  #answerAgain({ holder, attempt, updateDigest, sequence }: Update): boolean {
    const known = [...this.#situation.updates, ...this.#updates].find(
      (row) => row.holder === holder && row.attempt === attempt && row.updateDigest === updateDigest,
    );
    if (known === undefined) return false;
    this.#messages.push(this.#receiptMessage(known, String(sequence)));
    return true;
  }

  #give(effect: Extract<RegionEffect, { type: 'receipt' }>, { payload }: Update): void {
    const { place, signer } = this.#parts;
    const { roundId } = this.#situation.round;
    const { holder, attempt, updateDigest, verdict, reason } = effect;
    const { planHash, region } = place;
    const receipt = signStatement(
      RECEIPT_V1,
      {
        ...{ planHash, roundId, region: region.name, holder, attempt, updateDigest, verdict },
        ...(reason === undefined ? {} : { reason }),
      },
      signer,
    );
    const row = {
      ...{ roundId, holder, attempt, updateDigest, payload, verdict, reason },
      receipt: receipt.payload,
      receiptSignature: receipt.signature,
      receivedAtMs: this.#nowMs,
    };
    this.#updates.push(row);
    this.#messages.push(this.#receiptMessage(row));
  }

  /** What is stored is the whole receipt. */
  #receiptMessage({ holder, receipt, receiptSignature }: RegionUpdateRow, occasion?: string): NewOutboxMessage {
    const signed = {
      payload: abridgedBytes(RECEIPT_V1, readStatement(RECEIPT_V1, receipt)),
      signature: receiptSignature,
    };
    const messageId = messageIdOf(this.#parts.sha256, signed, occasion);
    return { subject: SUBJECTS.receipt(holder), messageId, ...signed };
  }

  finish(): Settlement {
    const [updates, declines] = [this.#updates, this.#declines];
    if (!this.#due) return { updates, declines, messages: this.#messages };
    const { place, signer, sha256 } = this.#parts;
    const { round } = this.#situation;
    const opened = readAbridged(ROUND_OPENED_V1, round.task, roundContext(place.plan, place.planHash));
    const statement = regionalReport(place, opened, {
      round,
      updates: [...this.#situation.updates, ...updates],
      declines: [...this.#situation.declines, ...declines],
    });
    const report = signStatement(REGIONAL_REPORT_V1, statement, signer);
    const subject = SUBJECTS.regionalReport(place.region.name);
    // The global tier waits for it, the holders can wait.
    const messages = [{ subject, messageId: messageIdOf(sha256, report), ...report }, ...this.#messages];
    return { updates, declines, report, messages };
  }
}
