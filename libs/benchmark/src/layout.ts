import { InvalidInputError } from '@fedcarbon/kernel';

/** The group of records whose value is missing or not in a margin's list. Counted, so that every margin sums to all records, but never released. */
export const OTHER_GROUP = 'other';

/**
 * One partition of the records, and the histograms that each of its groups is counted in. A margin of one group counts all records; any other margin
 * must list `OTHER_GROUP` last.
 */
export interface Margin {
  readonly name: string;
  readonly groups: readonly string[];
  /** Outcome bin edges of each histogram: B + 1 ascending values for B bins, in the outcome's unit. All histograms of a layout span one range. */
  readonly histograms: readonly (readonly number[])[];
}

/** The public shape of a benchmark release: for each margin, every histogram of every group. */
export interface HistogramLayout {
  readonly margins: readonly Margin[];
}

/** One record as the histogram sees it: its outcome, and its group for each margin of more than one group. */
export interface HistogramRow {
  readonly y: number;
  readonly groups: Readonly<Record<string, string | undefined>>;
}

/** Throws InvalidInputError, naming the place, unless all edges ascend over one range and the margins are partitions with distinct names and groups. */
export function checkLayout({ margins }: HistogramLayout): void {
  if (margins.length === 0) throw new InvalidInputError('margins: at least one is needed');
  if (new Set(margins.map((margin) => margin.name)).size < margins.length) {
    throw new InvalidInputError(`margins: a name occurs twice in ${margins.map((margin) => margin.name).join(', ')}`);
  }
  const range = margins[0]?.histograms[0] ?? [];
  for (const { name, groups, histograms } of margins) {
    if (groups.length === 0) throw new InvalidInputError(`margin ${name}: no group`);
    if (new Set(groups).size < groups.length) throw new InvalidInputError(`margin ${name}: a group is listed twice`);
    if (groups.length > 1 && groups.at(-1) !== OTHER_GROUP) {
      throw new InvalidInputError(`margin ${name}: the last group must be "${OTHER_GROUP}", found "${groups.at(-1)}"`);
    }
    if (histograms.length === 0) throw new InvalidInputError(`margin ${name}: no histogram`);
    for (const edges of histograms) checkEdges(name, edges, range);
    if (new Set(histograms.map(String)).size < histograms.length) {
      throw new InvalidInputError(`margin ${name}: two histograms have the same edges`);
    }
  }
}

function checkEdges(margin: string, edges: readonly number[], range: readonly number[]): void {
  const refuse = (why: string): never => {
    throw new InvalidInputError(`margin ${margin}: edges [${edges.join(', ')}]: ${why}`);
  };
  if (edges.length < 3) refuse(`at least 3 values are needed (2 bins), found ${edges.length}`);
  edges.forEach((edge, i) => {
    if (!Number.isFinite(edge)) refuse(`${edge} is not a finite number`);
    if (i > 0 && edge <= (edges[i - 1] ?? NaN)) refuse(`${edge} does not ascend`);
  });
  const [low, high] = [range[0], range.at(-1)];
  if (edges[0] !== low || edges.at(-1) !== high) refuse(`not from ${low} to ${high}, as the first histogram`);
}

/** Lower and upper end of all histograms, in the outcome's unit. */
export function outcomeRange({ margins }: HistogramLayout): readonly [number, number] {
  const edges = margins[0]?.histograms[0] ?? [];
  return [edges[0] ?? 0, edges.at(-1) ?? 0];
}

/** One histogram of a margin as it lies in the released vector: a row for each group, a column for each bin. */
export interface Table {
  readonly margin: Margin;
  readonly edges: readonly number[];
  /** Position of its first cell. */
  readonly offset: number;
}

/** All tables of a release, one after the other: a record is in exactly one cell of each. */
export function tablesOf(layout: HistogramLayout): Table[] {
  let end = 0;
  return layout.margins.flatMap((margin) =>
    margin.histograms.map((edges) => {
      const offset = end;
      end += margin.groups.length * (edges.length - 1);
      return { margin, edges, offset };
    }),
  );
}

/** Length of the released vector. */
export function cellCount(layout: HistogramLayout): number {
  return tablesOf(layout).reduce((sum, { margin, edges }) => sum + margin.groups.length * (edges.length - 1), 0);
}

/** Squared L2 sensitivity of the counts under adding or removing one record: it moves one cell of each table by one. */
export function sensitivitySquared(layout: HistogramLayout): number {
  return tablesOf(layout).length;
}

/** The bin [edge, next edge) of `y`; below the first or above the last edge, the end bin. */
function binOf(edges: readonly number[], y: number): number {
  let bin = 0;
  while (bin < edges.length - 2 && y >= (edges[bin + 1] ?? Infinity)) bin++;
  return bin;
}

/**
 * The exact counts of one holder's records, one cell per table and record. This is private: add noise before it leaves the holder.
 * An outcome beyond the range counts in the end bin, so percentiles are those of outcomes clamped to the range.
 * Throws InvalidInputError for an outcome that is not a number: readers of files must reject such records, with a reason, before.
 */
export function countRecords(layout: HistogramLayout, rows: Iterable<HistogramRow>): Int32Array {
  checkLayout(layout);
  const tables = tablesOf(layout);
  const counts = new Int32Array(cellCount(layout));
  for (const row of rows) {
    if (Number.isNaN(row.y))
      throw new InvalidInputError('a record without an outcome cannot be counted; reject it on reading');
    for (const { margin, edges, offset } of tables) {
      const listed = margin.groups.indexOf(row.groups[margin.name] ?? OTHER_GROUP);
      const group = listed >= 0 ? listed : margin.groups.length - 1;
      const cell = offset + group * (edges.length - 1) + binOf(edges, row.y);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
  }
  return counts;
}
