import type { PositionRequest } from '@fedcarbon/contracts';
import { describeError, type Sha256, toHex } from '@fedcarbon/kernel';
import { type EncodedStock, modelBytes, residualBytes } from '@fedcarbon/learning';
import { problem, SerialQueue } from '@fedcarbon/service';
import type { Log } from '../ports.ts';
import type { Membership } from '../trainer.ts';
import type { Fit } from './fit.ts';
import { type HolderPosition, position } from './position.ts';
import { digestOfRecords, type OwnModel, type PublishedModel, StoredModels } from './stored-models.ts';

export interface OnDeviceParts {
  /** Folder of the holder's journal, which is open and holds the lock of this too. */
  readonly dir: string;
  readonly membership: Membership;
  /** The holder's training records. */
  readonly records: EncodedStock;
  readonly fit: Fit;
  readonly sha256: Sha256;
  readonly log: Log;
}

/**
 * The federation's published model, and the holder's own correction of it for its own questions. Neither it nor what it says is sent anywhere, so it costs no
 * budget. It is fitted anew, in the background, when another model is published, when the records have changed, and when its file is damaged.
 */
export class OnDeviceModel {
  readonly #parts: OnDeviceParts;
  readonly #stored: StoredModels;
  readonly #recordsDigest: string;
  readonly #fits = new SerialQueue();
  #published: PublishedModel | undefined;
  #own: OwnModel | undefined;
  /** Of the newest fit, of this plan or an earlier one. */
  #version = 0;

  private constructor(parts: OnDeviceParts) {
    const { dir, membership, records, sha256 } = parts;
    this.#parts = parts;
    this.#stored = new StoredModels(dir, membership.member.dataset, sha256);
    this.#recordsDigest = digestOfRecords(records, sha256);
  }

  /** Takes up what is stored. A damaged file is a line in the log, never a reason not to start. */
  static async open(parts: OnDeviceParts): Promise<OnDeviceModel> {
    const device = new OnDeviceModel(parts);
    await device.#load();
    return device;
  }

  /** Takes the published model. When the promise resolves it survives a crash; the fit goes on in the background. The same model may come again. */
  async take(weights: Float64Array): Promise<void> {
    const { membership, sha256 } = this.#parts;
    const digest = toHex(sha256(modelBytes(weights)));
    if (this.#published?.digest === digest) return;
    const published = { planHash: membership.planHash, digest, weights };
    await this.#stored.savePublished(published);
    this.#published = published;
    this.#own = undefined;
    this.#refit(published);
  }

  /**
   * Predicts a building of the holder and says where it stands. Throws a 503 problem before there is a published model, and InvalidInputError for
   * attributes that the plan does not have.
   */
  position(request: PositionRequest): HolderPosition {
    if (this.#published === undefined) {
      const detail = "the published model has not come yet; it comes when the plan's training is over";
      throw problem(503, 'no_model', 'No model yet', detail);
    }
    return position(this.#parts.membership, this.#published, this.#own, request);
  }

  /** Resolves when no fit is under way. */
  idle(): Promise<void> {
    return this.#fits.run(() => Promise.resolve());
  }

  async #load(): Promise<void> {
    const { planHash } = this.#parts.membership;
    const remedy = "the federation's model comes again with the next plan only; restore the file if you can";
    const published = await this.#read(() => this.#stored.published(), this.#stored.publishedPath, remedy);
    const own = await this.#read(() => this.#stored.own(), this.#stored.ownPath, 'the on-device model is fitted again');
    this.#version = own?.version ?? 0;
    const ofTheseRecords = own?.recordsDigest === this.#recordsDigest;
    if (own !== undefined && !ofTheseRecords) {
      // It may hold a record that was deleted: it goes with it, whether there will be another one or not.
      await this.#stored.removeOwn();
      this.#parts.log.info({ version: own.version }, 'the records have changed: removed the on-device model');
    }
    if (published?.planHash !== planHash) return;
    this.#published = published;
    if (ofTheseRecords && own.model.globalDigest === published.digest) this.#own = own;
    else this.#refit(published);
  }

  async #read<T>(read: () => Promise<T | undefined>, path: string, remedy: string): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      this.#parts.log.warn({ file: path, reason: describeError(error) }, remedy);
      return undefined;
    }
  }

  #refit(published: PublishedModel): void {
    const { log } = this.#parts;
    void this.#fits.run(async () => {
      try {
        if (published !== this.#published) return;
        const own = await this.#fitted(published);
        // It is on disk before it answers: a restart must not give its version to another one.
        await this.#stored.saveOwn(own);
        // Another model may have come meanwhile, which this one does not correct; its own fit is next.
        if (published !== this.#published) return;
        this.#own = own;
        // Nothing more: logs may be read elsewhere, and everything else about it is computed from records.
        log.info({ version: own.version }, 'fitted the on-device model');
      } catch (error) {
        log.error({ reason: describeError(error) }, 'the on-device model was not fitted, or not saved');
      }
    });
  }

  async #fitted({ weights, digest: globalDigest }: PublishedModel): Promise<OwnModel> {
    const { membership, records, fit, sha256 } = this.#parts;
    const { yRange } = membership.plan.recipe;
    const { model, validation } = await fit({ records, weights, globalDigest, yRange });
    const { globalRmse, ownRmse, used } = validation;
    this.#version++;
    return {
      ...{ version: this.#version, digest: toHex(sha256(residualBytes(model))) },
      ...{ recordsDigest: this.#recordsDigest, records: validation.records, used },
      rmse: { federation: globalRmse, onDevice: Number.isNaN(ownRmse) ? null : ownRmse },
      model,
    };
  }
}
