import { InvalidInputError } from '@fedcarbon/kernel';
import type { DistributionPoint, SegmentEstimate } from './percentiles.ts';
import { GREEN_LEVEL, RED_LEVEL } from './percentiles.ts';

/** Green: at most p20. Red: above p80. Amber: between. Undecided: the interval of the percentile straddles a limit. */
export type Band = 'green' | 'amber' | 'red' | 'undecided';

/** Where a building's outcome lies among the segment's records. Shares from 0 to 1; the three probabilities sum to 1. */
export interface Position {
  readonly percentile: number;
  readonly low: number;
  readonly high: number;
  readonly band: Band;
  readonly probabilities: { readonly green: number; readonly amber: number; readonly red: number };
}

/**
 * The percentile of `value` (outcome's unit, taken as exact: the error of a model that predicted it is not in the interval), with the interval at
 * the confidence of the estimate. A value beyond the range is placed at the range's end. Throws InvalidInputError for NaN or infinity.
 */
export function positionOf(value: number, { distribution }: Pick<SegmentEstimate, 'distribution'>): Position {
  if (!Number.isFinite(value)) throw new InvalidInputError(`value: ${value} is not a finite number`);
  const after = distribution.findIndex((point) => point.value > value);
  const next = after < 0 ? distribution.at(-1) : distribution[after];
  const previous = after < 0 ? next : (distribution[after - 1] ?? next);
  if (!previous || !next) throw new InvalidInputError('distribution: empty');
  const share = next.value > previous.value ? (value - previous.value) / (next.value - previous.value) : 0;
  const at = (field: keyof DistributionPoint): number => previous[field] + share * (next[field] - previous[field]);
  const [percentile, low, high, green, red] = [at('percentile'), at('low'), at('high'), at('green'), at('red')];
  return {
    percentile,
    low,
    high,
    band: bandOf(low, high),
    probabilities: { green, amber: Math.max(0, 1 - green - red), red },
  };
}

function bandOf(low: number, high: number): Band {
  if (high <= GREEN_LEVEL) return 'green';
  if (low > RED_LEVEL) return 'red';
  return low > GREEN_LEVEL && high <= RED_LEVEL ? 'amber' : 'undecided';
}
