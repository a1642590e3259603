import { InvalidInputError } from '@fedcarbon/kernel';
import { checkLayout, outcomeRange } from './layout.ts';
import type { HistogramLayout } from './layout.ts';
import { GRID_CELLS, massBelow, quantile, samplePosterior } from './posterior.ts';
import { reconcile } from './reconcile.ts';
import type { Segment, SegmentCounts } from './reconcile.ts';

/** The nine percentiles that a benchmark answers. */
export const DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] as const;
/** Up to this percentile a building is green (achievable), as in EC3's `achievable_target`. */
export const GREEN_LEVEL = 0.2;
/** Above this percentile a building is red, as in EC3's `conservative_estimate`. */
export const RED_LEVEL = 0.8;

/**
 * A part whose noisy total lies less than this many standard deviations above zero is not distinguishable from an empty one. Its shape would be
 * the prior's, so nothing is claimed about it.
 */
const DETECTION_SDS = 2;

export interface PercentileRequest {
  readonly layout: HistogramLayout;
  /** The released vector, `cellCount(layout)` values: the sum over all holders of counts and noise. */
  readonly noisyCounts: ArrayLike<number>;
  /** Standard deviation of the noise in one cell of that sum. Under local trust sqrt(K) times that of one client. */
  readonly noiseSd: number;
  /** The plan's public nominal number of records in all. Taken as true within 10 % (one standard deviation). */
  readonly nominalRecords: number;
  readonly segment: Segment;
  /** Default: `DECILES`. */
  readonly levels?: readonly number[];
  /** Stated level of the intervals. Default 0.9. */
  readonly confidence?: number;
  /** Largest half-width of an interval, relative to its value, that is `ok`. Default 0.25. */
  readonly maxRelativeHalfWidth?: number;
}

/** `value`, `low` and `high` are in the outcome's unit, within the layout's range. */
export interface PercentileEstimate {
  readonly level: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly status: 'ok' | 'insufficient_data';
}

/** What is known of the share of the segment's records at or below `value`. */
export interface DistributionPoint {
  readonly value: number;
  readonly percentile: number;
  readonly low: number;
  readonly high: number;
  /** Probability that `value` is at most the segment's p20, given the release. */
  readonly green: number;
  /** Probability that `value` is above the segment's p80, given the release. */
  readonly red: number;
}

export interface SegmentEstimate {
  readonly percentiles: readonly PercentileEstimate[];
  /** Ascending over the range; what `positionOf` reads. */
  readonly distribution: readonly DistributionPoint[];
}

/**
 * Percentiles of one segment with intervals, from one noisy release. Post-processing: costs no budget. Deterministic. 20 to 30 ms of one core.
 *
 * The values are posterior medians (`samplePosterior`) given the counts reconciled over all margins (`reconcile`). The intervals cover the
 * percentile of the records that were counted, outcomes clamped to the range, at the stated level at least; what they contain beyond the noise:
 * - the place of a percentile inside its bin, through the prior's freedom of shape;
 * - an allowance for the influence of the prior: the posterior mass outside is two thirds of the stated error (credible level 0.933 for 0.9);
 * - an allowance for the grid: each end is moved outward by half a fine cell, 1/80 of the range;
 * - a part that cannot be told from an empty one gets the whole range.
 * The one assumption: records spread over a bin's width or more. Where many records share one value (few designs built many times), a percentile
 * at the edge of such a heap can lie outside its interval more often than stated.
 * They do not contain sampling error: the benchmark describes the federation's stock, not buildings outside it.
 *
 * Throws InvalidInputError for a release that does not fit the layout, an unknown segment, or figures outside their domain.
 */
export function estimatePercentiles(request: PercentileRequest): SegmentEstimate {
  const { layout, noisyCounts, noiseSd, nominalRecords, segment } = request;
  const { levels = DECILES, confidence = 0.9, maxRelativeHalfWidth = 0.25 } = request;
  checkLayout(layout);
  if (!(noiseSd >= 0 && Number.isFinite(noiseSd)))
    throw new InvalidInputError(`noiseSd: ${noiseSd} is not a standard deviation`);
  if (!(nominalRecords > 0 && Number.isFinite(nominalRecords))) {
    throw new InvalidInputError(`nominalRecords: ${nominalRecords} is not a positive number`);
  }
  for (const share of [...levels, confidence]) {
    if (!(share > 0 && share < 1))
      throw new InvalidInputError(`levels and confidence lie between 0 and 1, found ${share}`);
  }

  const counts = reconcile(layout, noisyCounts, noiseSd, segment);
  const [low, high] = outcomeRange(layout);
  const draws = samplePosterior([low, high], counts, nominalRecords);
  const detected = isDetected(counts);
  const valueAt = (position: number): number =>
    low + ((high - low) * Math.min(GRID_CELLS, Math.max(0, position))) / GRID_CELLS;
  const tail = (1 - confidence) / 3;

  const percentiles = levels.map((level): PercentileEstimate => {
    const positions = Float64Array.from(draws, (draw) => quantile(draw, level)).sort();
    const value = valueAt(orderStatistic(positions, 0.5));
    const ends = detected
      ? {
          low: valueAt(orderStatistic(positions, tail) - 0.5),
          high: valueAt(orderStatistic(positions, 1 - tail) + 0.5),
        }
      : { low, high };
    const ok = detected && (ends.high - ends.low) / 2 <= maxRelativeHalfWidth * Math.abs(value);
    return { level, value, ...ends, status: ok ? 'ok' : 'insufficient_data' };
  });

  const limits = Array.from({ length: GRID_CELLS + 1 }, (_, limit) => {
    const shares = Float64Array.from(draws, (draw) => draw[limit] ?? 1).sort();
    return {
      percentile: orderStatistic(shares, 0.5),
      low: detected ? orderStatistic(shares, tail) : 0,
      high: detected ? orderStatistic(shares, 1 - tail) : 1,
      green: shares.filter((share) => share <= GREEN_LEVEL).length / shares.length,
      red: shares.filter((share) => share > RED_LEVEL).length / shares.length,
    };
  });
  const lows = Float64Array.from(limits, (limit) => limit.low);
  const highs = Float64Array.from(limits, (limit) => limit.high);
  const distribution = limits.map(({ percentile, green, red }, limit): DistributionPoint => ({
    value: valueAt(limit),
    percentile,
    // The same half cell outward as the percentiles' intervals.
    low: massBelow(lows, Math.max(0, limit - 0.5)),
    high: massBelow(highs, Math.min(GRID_CELLS, limit + 0.5)),
    green,
    red,
  }));
  return { percentiles, distribution };
}

function isDetected({ histograms, whole }: SegmentCounts): boolean {
  const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
  const records = sum(histograms.map(({ counts }) => sum(counts)));
  const variance = sum(histograms.map(({ counts, noiseSd }) => counts.length * noiseSd ** 2));
  return whole || records > DETECTION_SDS * Math.sqrt(variance);
}

function orderStatistic(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
