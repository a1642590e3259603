import { signAbridged, type SignedBytes, SUBJECTS, UPDATE_V1 } from '@fedcarbon/contracts';
import { type Clock, describeError, type Sha256, type Signer } from '@fedcarbon/kernel';
import { messageBytes, messageIdOf } from '@fedcarbon/messaging';
import type { Journal } from './journal/journal.ts';
import { type Attempt, keyOf, unansweredUpdates } from './journal/state.ts';
import type { FaultPoint, HolderLink, Log } from './ports.ts';
import { SerialQueue } from '@fedcarbon/service';

const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;

/** Sends charged updates, the same bytes again and again, until the region has answered. */
export class UpdateSender {
  readonly #parts: SenderParts;
  readonly #queue = new SerialQueue();
  readonly #sent = new Map<string, { times: number; nextAtMs: number }>();
  #bytesSent = 0;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Bytes of updates, headers included, that the broker has taken since this process started; repetitions count. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Sends every update whose time has come: at once after a restart and for a new one, then ever more rarely. Failures are logged and tried again. */
  sendDue(): Promise<void> {
    return this.#queue.run(async () => {
      const { journal, planHash, clock } = this.#parts;
      const unanswered = unansweredUpdates(journal.state, planHash);
      const keys = new Set(unanswered.map(keyOf));
      for (const key of this.#sent.keys()) if (!keys.has(key)) this.#sent.delete(key);
      for (const attempt of unanswered) {
        if (clock.nowMs() >= (this.#sent.get(keyOf(attempt))?.nextAtMs ?? 0)) await this.#send(attempt);
      }
    });
  }

  async #send(attempt: Attempt): Promise<void> {
    const { holder, region, link, sha256, clock, log, faultPoint } = this.#parts;
    const key = keyOf(attempt);
    const { roundId, digest } = attempt;
    const times = (this.#sent.get(key)?.times ?? 0) + 1;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(times - 1, 20), LAST_RETRY_MS);
    this.#sent.set(key, { times, nextAtMs: clock.nowMs() + waitMs });
    const signed = this.#message(attempt);
    try {
      await link.publish(SUBJECTS.update(region, holder), signed, messageIdOf(sha256, signed));
    } catch (error) {
      log.warn({ roundId, digest, times, reason: describeError(error) }, 'update not sent yet');
      return;
    }
    faultPoint('after-publish');
    const bytes = messageBytes(signed.payload.length);
    this.#bytesSent += bytes;
    log.info({ roundId, attempt: attempt.attempt, digest, bytes, times }, 'update sent');
  }

  /** Ed25519 is deterministic: the same attempt is the same message, byte for byte. */
  #message({ planHash, roundId, attempt, payload, commit }: Attempt): SignedBytes {
    if (payload === undefined || commit === undefined) throw new TypeError(`${roundId}: not a committed attempt`);
    const { holder, signer } = this.#parts;
    const commitSignature = commit.signature;
    return signAbridged(UPDATE_V1, { planHash, roundId, holder, attempt, payload, commitSignature }, signer);
  }
}

export interface SenderParts {
  readonly holder: string;
  readonly region: string;
  readonly planHash: string;
  readonly journal: Journal;
  readonly link: HolderLink;
  readonly signer: Signer;
  readonly sha256: Sha256;
  readonly clock: Clock;
  readonly log: Log;
  readonly faultPoint: (point: FaultPoint) => void;
}
