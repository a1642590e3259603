import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HistogramRow } from '@fedcarbon/benchmark';
import type { FederationPlan } from '@fedcarbon/contracts';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import type { EncodedStock } from '@fedcarbon/learning';
import { binCounts, encodeStock, histogramRows, stockView, type StockView } from '@fedcarbon/plan';
import { type BuildingRecord, readHolderFile, type RejectionReason, type StockReading } from '@fedcarbon/stock';

/** Rows that could not be used, by reason. For the holder's own eyes. */
export type Rejected = Readonly<Partial<Record<RejectionReason, number>>>;

/** A holder's records as the plan looks at them. Private: nothing of this leaves the process without noise. */
export interface HolderRecords {
  /** Records that the model learns from. */
  readonly training: EncodedStock;
  /** All records, also those set aside for tests: what the benchmarks count. */
  readonly all: readonly HistogramRow[];
  readonly rejected: { readonly train: Rejected; readonly test: Rejected };
}

/**
 * Reads `train.csv` and, where it exists, `test.csv` in `dir`. A building that is in both counts once, in training: counted twice it would weigh twice, and
 * the noise would protect only half of it. Throws InvalidInputError, naming the file, when it cannot be read or lacks a column, and for a plan whose
 * features are not those of its schema.
 */
export async function readHolderRecords(dir: string, plan: FederationPlan): Promise<HolderRecords> {
  const view = stockView(plan.stock);
  const bins = binCounts(view);
  if (bins.join() !== plan.recipe.binsPerFeature.join()) {
    throw new InvalidInputError(
      `the plan counts ${plan.recipe.binsPerFeature.join(', ')} bins, its schema "${plan.stock.featureSchema}" has ${bins.join(', ')}`,
    );
  }
  const train = await readCsv(join(dir, 'train.csv'), view, true);
  const test = withoutDuplicates(await readCsv(join(dir, 'test.csv'), view, false), train.records);
  return {
    training: encodeStock(view, train.records),
    all: histogramRows(view, [...train.records, ...test.records]),
    rejected: { train: train.rejected, test: test.rejected },
  };
}

async function readCsv(path: string, view: StockView, required: boolean): Promise<StockReading> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (!required && (cause as NodeJS.ErrnoException).code === 'ENOENT') return { records: [], rejected: {}, rows: 0 };
    throw new InvalidInputError(`the holder's file ${path} cannot be read (${describeError(cause)}); check dataDir`, {
      cause,
    });
  }
  try {
    return readHolderFile(text, view.schema);
  } catch (cause) {
    throw new InvalidInputError(`${path}: ${describeError(cause)}`, { cause });
  }
}

function withoutDuplicates(reading: StockReading, known: readonly BuildingRecord[]): StockReading {
  const key = ({ dataPartner, id }: BuildingRecord) => JSON.stringify([dataPartner, id]);
  const seen = new Set(known.map(key));
  const records = reading.records.filter((record) => !seen.has(key(record)));
  const doubled = reading.records.length - records.length;
  if (doubled === 0) return reading;
  const duplicates = (reading.rejected.duplicate_id ?? 0) + doubled;
  return { ...reading, records, rejected: { ...reading.rejected, duplicate_id: duplicates } };
}
