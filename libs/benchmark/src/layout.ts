import { InvalidInputError } from '@fedcarbon/kernel';

/** The group of records whose value is missing or not in a margin's list. Counted, so that every margin sums to all records, but never released. */
export const OTHER_GROUP = 'other';

/** One partition of the records. A margin of one group counts all records; any other margin must list `OTHER_GROUP` last. */
export interface Margin {
  readonly name: string;
  readonly groups: readonly string[];
}

/** The public shape of a benchmark release: B outcome bins (`edges` has B + 1 ascending values, in the outcome's unit) for each group of each margin. */
export interface HistogramLayout {
  readonly edges: readonly number[];
  readonly margins: readonly Margin[];
}

/** One record as the histogram sees it: its outcome, and its group for each margin of more than one group. */
export interface HistogramRow {
  readonly y: number;
  readonly groups: Readonly<Record<string, string | undefined>>;
}

/** Throws InvalidInputError, naming the place, unless the edges ascend and the margins are partitions with distinct names and groups. */
export function checkLayout(layout: HistogramLayout): void {
  const { edges, margins } = layout;
  if (edges.length < 3)
    throw new InvalidInputError(`edges: at least 3 values are needed (2 bins), found ${edges.length}`);
  edges.forEach((edge, i) => {
    if (!Number.isFinite(edge)) throw new InvalidInputError(`edges[${i}]: ${edge} is not a finite number`);
    if (i > 0 && edge <= (edges[i - 1] ?? NaN)) throw new InvalidInputError(`edges[${i}]: ${edge} does not ascend`);
  });
  if (margins.length === 0) throw new InvalidInputError('margins: at least one is needed');
  if (new Set(margins.map((margin) => margin.name)).size < margins.length) {
    throw new InvalidInputError(`margins: a name occurs twice in ${margins.map((margin) => margin.name).join(', ')}`);
  }
  for (const { name, groups } of margins) {
    if (groups.length === 0) throw new InvalidInputError(`margin ${name}: no group`);
    if (new Set(groups).size < groups.length) throw new InvalidInputError(`margin ${name}: a group is listed twice`);
    if (groups.length > 1 && groups.at(-1) !== OTHER_GROUP) {
      throw new InvalidInputError(`margin ${name}: the last group must be "${OTHER_GROUP}", found "${groups.at(-1)}"`);
    }
  }
}

/** Number of outcome bins. */
export function binCount(layout: HistogramLayout): number {
  return layout.edges.length - 1;
}

/** Length of the released vector: groups of all margins times bins. */
export function cellCount(layout: HistogramLayout): number {
  return binCount(layout) * layout.margins.reduce((sum, margin) => sum + margin.groups.length, 0);
}

/** Squared L2 sensitivity of the counts under adding or removing one record: it is in exactly one cell of each margin. */
export function sensitivitySquared(layout: HistogramLayout): number {
  return layout.margins.length;
}

/** Position of a cell in the released vector: margins, then groups, then bins. All three are indices from 0. */
export function cellIndex(layout: HistogramLayout, margin: number, group: number, bin: number): number {
  const bins = binCount(layout);
  const size = layout.margins[margin]?.groups.length ?? 0;
  if (!(group >= 0 && group < size) || !(bin >= 0 && bin < bins)) {
    throw new InvalidInputError(`no cell at margin ${margin}, group ${group}, bin ${bin}`);
  }
  const before = layout.margins.slice(0, margin).reduce((sum, { groups }) => sum + groups.length, 0);
  return (before + group) * bins + bin;
}

/** The bin [edge, next edge) of `y`; below the first or above the last edge, the end bin. */
export function binOf(edges: readonly number[], y: number): number {
  let bin = 0;
  while (bin < edges.length - 2 && y >= (edges[bin + 1] ?? Infinity)) bin++;
  return bin;
}

/**
 * The exact counts of one holder's records, one cell per margin and record. This is private: add noise before it leaves the holder.
 * An outcome beyond the range counts in the end bin, so percentiles are those of outcomes clamped to the range.
 * Throws InvalidInputError for an outcome that is not a number: readers of files must reject such records, with a reason, before.
 */
export function countRecords(layout: HistogramLayout, rows: Iterable<HistogramRow>): Int32Array {
  checkLayout(layout);
  const counts = new Int32Array(cellCount(layout));
  for (const row of rows) {
    if (Number.isNaN(row.y))
      throw new InvalidInputError('a record without an outcome cannot be counted; reject it on reading');
    const bin = binOf(layout.edges, row.y);
    layout.margins.forEach(({ name, groups }, m) => {
      const listed = groups.indexOf(row.groups[name] ?? OTHER_GROUP);
      const cell = cellIndex(layout, m, listed >= 0 ? listed : groups.length - 1, bin);
      counts[cell] = (counts[cell] ?? 0) + 1;
    });
  }
  return counts;
}
