import { InvalidInputError } from '@fedcarbon/kernel';
import { binCount, cellCount, cellIndex } from './layout.ts';
import type { HistogramLayout } from './layout.ts';

/** One group of one margin, by name. */
export interface Segment {
  readonly margin: string;
  readonly group: string;
}

/** A segment's counts per bin, each with independent noise of standard deviation `noiseSd`. */
export interface SegmentCounts {
  readonly counts: Float64Array;
  readonly noiseSd: number;
  /** Whether the segment holds all records. */
  readonly whole: boolean;
}

/**
 * The least-squares estimate of a segment's bin counts from the whole release: the groups of every margin sum to the same histogram of all
 * records, so m margins of G_m groups measure it with variance noiseSd^2 / sum 1/G_m, and a group borrows from what the other margins say of
 * its margin's sum. Post-processing of a release, so free of charge (consistency of Hay et al. 2010, section 4, for two levels).
 */
export function reconcile(
  layout: HistogramLayout,
  noisy: ArrayLike<number>,
  noiseSd: number,
  segment: Segment,
): SegmentCounts {
  const bins = binCount(layout);
  if (noisy.length !== cellCount(layout)) {
    throw new InvalidInputError(`the layout has ${cellCount(layout)} cells, the release ${noisy.length}`);
  }
  const own = layout.margins.findIndex((margin) => margin.name === segment.margin);
  const group = layout.margins[own]?.groups.indexOf(segment.group) ?? -1;
  if (group < 0) throw new InvalidInputError(`the layout has no segment ${segment.margin} = ${segment.group}`);

  const marginSum = (m: number, bin: number): number => {
    let sum = 0;
    for (let g = 0; g < groupsOf(layout, m); g++) sum += noisy[cellIndex(layout, m, g, bin)] ?? 0;
    return sum;
  };
  const others = layout.margins.map((_, m) => m).filter((m) => m !== own);
  const precision = others.reduce((sum, m) => sum + 1 / groupsOf(layout, m), 0);
  const size = groupsOf(layout, own);
  // Kalman gain of the group's count for "sum of the groups = what the other margins say", in units of noiseSd^2.
  const gain = precision > 0 ? 1 / (size + 1 / precision) : 0;
  const counts = Float64Array.from({ length: bins }, (_, bin) => {
    const count = noisy[cellIndex(layout, own, group, bin)] ?? 0;
    if (gain === 0) return count;
    const elsewhere = others.reduce((sum, m) => sum + marginSum(m, bin) / groupsOf(layout, m), 0) / precision;
    return count + gain * (elsewhere - marginSum(own, bin));
  });
  return { counts, noiseSd: noiseSd * Math.sqrt(1 - gain), whole: size === 1 };
}

function groupsOf(layout: HistogramLayout, margin: number): number {
  return layout.margins[margin]?.groups.length ?? 0;
}
