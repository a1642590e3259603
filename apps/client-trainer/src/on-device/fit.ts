import { once } from 'node:events';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type EncodedStock, fitResidual, predict, type YRange } from '@fedcarbon/learning';

export interface FitInput {
  readonly records: EncodedStock;
  /** Of the federation's model. */
  readonly weights: Float64Array;
  readonly globalDigest: string;
  readonly yRange: YRange;
}

export type Fitted = ReturnType<typeof fitResidual>;
export type Fit = (input: FitInput) => Promise<Fitted>;

/** Fits a holder's own model to what the federation's model gets wrong on its records. */
export function fitOnRecords({ records, weights, globalDigest, yRange }: FitInput): Fitted {
  const predictions = predict(records.shape, weights, records.codes, yRange);
  return fitResidual(records, predictions, { yRange, globalDigest });
}

/** The same on a thread of its own: 400 records, the most that are fitted, take most of a second, and rounds must not wait for it. */
export const fitOnThread: Fit = async (input) => {
  const program = join(import.meta.dirname, `fit-thread${extname(import.meta.filename)}`);
  const [fitted] = (await once(new Worker(program, { workerData: input }), 'message')) as [Fitted];
  return fitted;
};
