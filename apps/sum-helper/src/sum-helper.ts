import { HELPER, openMasking, signMasking, type SignedBytes, SUBJECTS } from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type Sha256, type Signer, type VerifySignature } from '@fedcarbon/kernel';
import { messageIdOf } from '@fedcarbon/messaging';
import { twoServersOf } from '@fedcarbon/round';
import type { HelperEffect, HelperEvent, Party, SecureSumCrypto } from '@fedcarbon/secure-sum';
import { type FactFile, type LoadedPlan, type SealingKey, SerialQueue } from '@fedcarbon/service';

/** Places where a test may end the process, to show that a crash there does no harm. */
export type FaultPoint = 'asked' | 'persisted' | 'answered';

export interface SumHelperParts extends Pick<LoadedPlan, 'plan' | 'planHash'> {
  /** Of this plan alone; nobody else writes it. */
  readonly facts: FactFile;
  readonly signer: Signer;
  readonly sealingKey: SealingKey;
  /** Publishes into a stream; resolves when the broker has stored it. */
  readonly publish: (
    message: SignedBytes & { readonly subject: string; readonly messageId: string },
  ) => Promise<unknown>;
  readonly sha256: Sha256;
  readonly crypto: SecureSumCrypto;
  readonly verifySignature: VerifySignature;
  readonly log: { readonly info: (fields: object, message: string) => void };
  readonly faultPoint: (point: FaultPoint) => void;
}

/**
 * The second server of a plan under `protocol: two-servers`: adds up the masks of one set of survivors a round, for global-aggregator. It never sees a masked
 * vector. What it has answered is on disk before the answer leaves, so that a round has one answer, whatever crashes and whoever asks.
 */
export class SumHelper {
  readonly #parts: SumHelperParts;
  readonly #queue = new SerialQueue();
  #party: Party<HelperEvent, HelperEffect>;

  /** Throws InvalidInputError for a plan without a helper. */
  constructor(parts: SumHelperParts) {
    const { plan, planHash, sha256, crypto, sealingKey, facts } = parts;
    this.#parts = parts;
    const { sum } = twoServersOf(plan, planHash, sha256);
    this.#party = sum.helper({ crypto, privateKey: sealingKey.privateKey }, facts.facts);
  }

  /**
   * Answers a request of global-aggregator: the first one of a round, and that one again. Throws InvalidInputError for one that is not its, or must not be
   * answered; JournalUnwritableError, after which nothing can be answered any more; what `publish` throws.
   */
  onRequest(signed: SignedBytes): Promise<void> {
    return this.#queue.run(async () => {
      const { plan, planHash, verifySignature, facts, log, faultPoint } = this.#parts;
      const message = openMasking(planHash, signed, fromBase64Url(plan.keys.global), verifySignature);
      const { party, effects } = this.#party.step({ type: 'message', message });
      faultPoint('asked');
      for (const effect of effects) {
        if (effect.type === 'refuse') throw new InvalidInputError(effect.reason, { code: 'helper_refused' });
        if (effect.type === 'persist') {
          await facts.append(effect.fact);
          this.#party = party;
          faultPoint('persisted');
        } else {
          await this.#answer(effect.message);
          log.info({ requestBytes: signed.payload.length, answerBytes: effect.message.length }, 'answered');
          faultPoint('answered');
        }
      }
    });
  }

  /** The same answer has the same id: the broker stores it once. */
  async #answer(message: Uint8Array): Promise<void> {
    const { planHash, signer, sha256, publish } = this.#parts;
    const signed = signMasking(planHash, message, signer);
    await publish({ subject: SUBJECTS.masking(HELPER), messageId: messageIdOf(sha256, signed), ...signed });
  }
}
