import { InvalidInputError } from '@fedcarbon/kernel';
import { cellCount, tablesOf } from './layout.ts';
import type { HistogramLayout, Table } from './layout.ts';

/** One group of one margin, by name. */
export interface Segment {
  readonly margin: string;
  readonly group: string;
}

/** Counts per bin, each with independent noise of standard deviation `noiseSd`. */
export interface NoisyHistogram {
  readonly edges: readonly number[];
  readonly counts: Float64Array;
  readonly noiseSd: number;
}

/** What a release says of a segment. Noise is independent from histogram to histogram. */
export interface SegmentCounts {
  readonly histograms: readonly NoisyHistogram[];
  /** Whether the segment holds all records. */
  readonly whole: boolean;
}

/** An unbiased estimate of a histogram, its variance per bin in units of one cell's. */
interface Estimate {
  readonly edges: readonly number[];
  readonly counts: Float64Array;
  readonly variance: number;
}

/**
 * What the whole release says of a segment, by least squares. The groups of every margin sum to all records, so a margin of G groups measures its
 * histograms of all records with variance G noiseSd^2; margins that share edges are averaged. A group has its own counts, corrected by what margins with
 * the same edges say of its margin's sum. Post-processing of a release, so free of charge (consistency of Hay et al. 2010, section 4, for two levels).
 */
export function reconcile(
  layout: HistogramLayout,
  noisy: ArrayLike<number>,
  noiseSd: number,
  segment: Segment,
): SegmentCounts {
  if (noisy.length !== cellCount(layout)) {
    throw new InvalidInputError(`the layout has ${cellCount(layout)} cells, the release ${noisy.length}`);
  }
  const tables = tablesOf(layout);
  const own = tables.filter(({ margin }) => margin.name === segment.margin);
  const groups = own[0]?.margin.groups ?? [];
  const group = groups.indexOf(segment.group);
  if (group < 0) throw new InvalidInputError(`the layout has no segment ${segment.margin} = ${segment.group}`);

  const sumOf = (table: Table): Estimate => marginSum(table, noisy);
  const whole = groups.length === 1;
  const elsewhere = tables.filter((table) => !own.includes(table)).map(sumOf);
  const estimates = whole
    ? pooled([...own.map(sumOf), ...elsewhere])
    : own.map((table) => corrected(groupCounts(table, noisy, group), sumOf(table), pooled(elsewhere)));
  return {
    histograms: estimates.map(({ edges, counts, variance }) => ({
      ...{ edges, counts, noiseSd: noiseSd * Math.sqrt(variance) },
    })),
    whole,
  };
}

function groupCounts({ edges, offset }: Table, noisy: ArrayLike<number>, group: number): Float64Array {
  const bins = edges.length - 1;
  return Float64Array.from({ length: bins }, (_, bin) => noisy[offset + group * bins + bin] ?? 0);
}

function marginSum(table: Table, noisy: ArrayLike<number>): Estimate {
  const { edges, margin } = table;
  const counts = new Float64Array(edges.length - 1);
  margin.groups.forEach((_, group) => {
    groupCounts(table, noisy, group).forEach((count, bin) => (counts[bin] = (counts[bin] ?? 0) + count));
  });
  return { edges, counts, variance: margin.groups.length };
}

/** Independent estimates of histograms, those of the same edges as one, weighted by precision. */
function pooled(estimates: readonly Estimate[]): Estimate[] {
  const distinct: Estimate[] = [];
  for (const estimate of estimates) {
    const at = distinct.findIndex((known) => sameEdges(known, estimate));
    const known = distinct[at];
    if (known === undefined) {
      distinct.push(estimate);
      continue;
    }
    const gain = known.variance / (known.variance + estimate.variance);
    distinct[at] = {
      edges: known.edges,
      counts: moved(known.counts, gain, known, estimate),
      variance: known.variance * (1 - gain),
    };
  }
  return distinct;
}

/** One group of a margin: its counts, moved by its part of the gap between the margin's sum and what is said elsewhere. */
function corrected(counts: Float64Array, sum: Estimate, elsewhere: readonly Estimate[]): Estimate {
  const other = elsewhere.find((estimate) => sameEdges(estimate, sum));
  if (other === undefined) return { edges: sum.edges, counts, variance: 1 };
  // Kalman gain of the group's count for "sum of the groups = what the other margins say".
  const gain = 1 / (sum.variance + other.variance);
  return { edges: sum.edges, counts: moved(counts, gain, sum, other), variance: 1 - gain };
}

function moved(counts: Float64Array, gain: number, from: Estimate, to: Estimate): Float64Array {
  return counts.map((count, bin) => count + gain * ((to.counts[bin] ?? 0) - (from.counts[bin] ?? 0)));
}

function sameEdges(a: Estimate, b: Estimate): boolean {
  return a.edges.length === b.edges.length && a.edges.every((edge, i) => edge === b.edges[i]);
}
