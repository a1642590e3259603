import { InvalidInputError } from '@fedcarbon/kernel';

/** How predictions compare with measured targets. */
export interface Metrics {
  readonly records: number;
  /** Coefficient of determination, 1 - residual / total sum of squares. */
  readonly r2: number;
  /** Mean absolute error, in the unit of the target. */
  readonly mae: number;
  /** Root mean squared error, in the unit of the target. */
  readonly rmse: number;
}

/**
 * Metrics over all records pooled. They are computed from records: publishing them is a release, so they belong on the device, on public data, or in a
 * simulation that says so.
 * Throws InvalidInputError for different lengths, a value that is not finite, fewer than two records, and targets that are all equal (R2 is undefined then).
 */
export function metrics(y: ArrayLike<number>, predicted: ArrayLike<number>): Metrics {
  const records = y.length;
  if (predicted.length !== records) {
    throw new InvalidInputError(
      `${String(records)} targets cannot be compared with ${String(predicted.length)} predictions`,
    );
  }
  if (records < 2) throw new InvalidInputError(`metrics need at least 2 records, found ${String(records)}`);
  const targets = Array.from(y);
  const mean = targets.reduce((sum, target) => sum + target, 0) / records;
  let absolute = 0;
  let squared = 0;
  let total = 0;
  targets.forEach((target, i) => {
    const error = target - (predicted[i] as number);
    absolute += Math.abs(error);
    squared += error * error;
    total += (target - mean) ** 2;
  });
  if (!Number.isFinite(squared)) throw new InvalidInputError('metrics need finite targets and predictions');
  if (targets.every((target) => target === targets[0])) {
    throw new InvalidInputError(`R2 is undefined: all ${String(records)} targets are equal`);
  }
  return { records, r2: 1 - squared / total, mae: absolute / records, rmse: Math.sqrt(squared / records) };
}
