import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Base64Url, NonNegativeInt, parseStrict, PositiveInt, Sha256Hex } from '@fedcarbon/contracts';
import { canonicalJson, fromBase64Url, type Json, type Sha256, toBase64Url, toHex } from '@fedcarbon/kernel';
import {
  type EncodedStock,
  modelBytes,
  modelFromBytes,
  residualBytes,
  residualFromBytes,
  type ResidualModel,
} from '@fedcarbon/learning';
import { z } from 'zod';
import { readChecked, replaceFile } from './private-file.ts';

/** The federation's model, as it was published: public. */
export interface PublishedModel {
  readonly planHash: string;
  /** SHA-256 of `modelBytes`: what the ledger and the API call this version. */
  readonly digest: string;
  readonly weights: Float64Array;
}

/** A holder's own model and what it came from. It holds the holder's records in another form. */
export interface OwnModel {
  /** 1, 2, ...: counts the fits of this data set. */
  readonly version: number;
  /** SHA-256 of `residualBytes`. */
  readonly digest: string;
  /** Of the training records that it was fitted to: other records need another fit. */
  readonly recordsDigest: string;
  /** Records that were fitted; a large holder's are not all (RESIDUAL_GRID). */
  readonly records: number;
  /** Whether it corrects anything: only when it predicts these records better. */
  readonly used: boolean;
  /** Root mean squared errors on these records, each predicted without itself, in the unit of the target. */
  readonly rmse: { readonly federation: number; readonly onDevice: number | null };
  readonly model: ResidualModel;
}

const Published = z.strictObject({ kind: z.literal('published-model'), planHash: Sha256Hex, model: Base64Url });
const Own = z.strictObject({
  kind: z.literal('residual-model'),
  version: PositiveInt,
  recordsDigest: Sha256Hex,
  records: NonNegativeInt,
  used: z.boolean(),
  rmse: z.strictObject({ federation: z.number(), onDevice: z.number().nullable() }),
  model: Base64Url,
});

/** The two files of a holder's data set beside its journal: `<dataset>.model`, which is public, and `<dataset>.residual`, which is worth as much as the data. */
export class StoredModels {
  readonly publishedPath: string;
  readonly ownPath: string;
  readonly #sha256: Sha256;

  constructor(dir: string, dataset: string, sha256: Sha256) {
    this.publishedPath = join(dir, `${dataset}.model`);
    this.ownPath = join(dir, `${dataset}.residual`);
    this.#sha256 = sha256;
  }

  /** Undefined when there is none. Throws InvalidInputError for a damaged file. */
  async published(): Promise<PublishedModel | undefined> {
    const text = await readChecked(this.publishedPath);
    if (text === undefined) return undefined;
    const { planHash, model } = parseStrict(Published, JSON.parse(text), this.publishedPath);
    const bytes = fromBase64Url(model);
    return { planHash, digest: toHex(this.#sha256(bytes)), weights: modelFromBytes(bytes) };
  }

  async savePublished({ planHash, weights }: PublishedModel): Promise<void> {
    const stored = { kind: 'published-model' as const, planHash, model: toBase64Url(modelBytes(weights)) };
    await replaceFile(this.publishedPath, canonicalJson(stored satisfies z.infer<typeof Published>));
  }

  /** Undefined when there is none. Throws InvalidInputError for a damaged file. */
  async own(): Promise<OwnModel | undefined> {
    const text = await readChecked(this.ownPath);
    if (text === undefined) return undefined;
    const { kind: _, model, ...about } = parseStrict(Own, JSON.parse(text), this.ownPath);
    const bytes = fromBase64Url(model);
    return { ...about, digest: toHex(this.#sha256(bytes)), model: residualFromBytes(bytes) };
  }

  async saveOwn({ digest: _, model, ...about }: OwnModel): Promise<void> {
    const stored = { kind: 'residual-model' as const, ...about, model: toBase64Url(residualBytes(model)) };
    await replaceFile(this.ownPath, canonicalJson(stored satisfies z.infer<typeof Own> as Json));
  }

  async removeOwn(): Promise<void> {
    await rm(this.ownPath, { force: true });
  }
}

/** SHA-256 of the records as the model sees them: changes when a record is added, changed or deleted. */
export function digestOfRecords({ codes, y }: EncodedStock, sha256: Sha256): string {
  const bytes = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return toHex(sha256(new Uint8Array(Buffer.concat([bytes(codes), bytes(y)]))));
}
