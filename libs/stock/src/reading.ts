import { InvalidInputError } from '@fedcarbon/kernel';
import type { BuildingRecord } from './building-record.ts';
import { parseCsv } from './csv.ts';
import { termOf, textOf } from './term.ts';

/** Why a row did not become a record. */
export type RejectionReason =
  | 'malformed_row' // another number of cells than the header
  | 'missing_id'
  | 'duplicate_id' // the same building again within one data partner
  | 'non_residential'
  | 'missing_outcome'
  | 'implausible_outcome' // outside the plausible range: almost always a unit error
  | 'invalid_number' // not a number, or not in the domain of its quantity
  | 'missing_attribute' // where the design has no missing values
  | 'unknown_level' // not a level of the factorial design
  | 'invalid_scope'; // a life-cycle module, module D treatment or flag that does not exist

/** What a file held: `rows` = records + the sum of `rejected`. */
export interface StockReading<R extends BuildingRecord = BuildingRecord> {
  readonly records: readonly R[];
  readonly rejected: Readonly<Partial<Record<RejectionReason, number>>>;
  readonly rows: number;
}

/** Bounds within which an outcome is believed, both inclusive. */
export interface PlausibleRange {
  readonly min: number;
  readonly max: number;
}

/**
 * kgCO2e per m2 and year. Set by hand around published benchmarks with a wide margin (limit values in force lie between 4 and 15; 50 times these bounds is 50 to 5,000
 * kgCO2e/m2), so that it removes unit errors (t for kg, MJ for kg) and no unusual building.
 */
export const PLAUSIBLE_EMBODIED_CARBON: PlausibleRange = { min: 1, max: 100 };

/** kWh per m2: simulated loads of the design lie between 6 and 48. */
export const PLAUSIBLE_LOAD: PlausibleRange = { min: 0.1, max: 200 };

/** Thrown while a row is turned into a record; only `readRows` sees it. */
class RowRejected extends Error {
  readonly reason: RejectionReason;

  constructor(reason: RejectionReason) {
    super(reason);
    this.reason = reason;
  }
}

/** Cells of one row by column name. Each reader rejects the row with a reason when the cell cannot be what it should be. */
export class Row {
  /** Position in the file, the first row after the header is 1. */
  readonly number: number;
  readonly #cells: ReadonlyMap<string, string>;

  constructor(number: number, cells: ReadonlyMap<string, string>) {
    this.number = number;
    this.#cells = cells;
  }

  reject(reason: RejectionReason): never {
    throw new RowRejected(reason);
  }

  text(column: string): string | null {
    return textOf(this.#cells.get(column) ?? '');
  }

  term(column: string): string | null {
    return termOf(this.#cells.get(column) ?? '');
  }

  /** A finite number, or null when missing. */
  quantity(column: string): number | null {
    const text = this.text(column);
    if (text === null) return null;
    const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
    return Number.isFinite(value) ? value : this.reject('invalid_number');
  }

  /** A number above zero, or null when missing. */
  positive(column: string): number | null {
    const value = this.quantity(column);
    return value === null || value > 0 ? value : this.reject('invalid_number');
  }

  /** An outcome within `range`; a row without one cannot be used. */
  outcome(column: string, range: PlausibleRange): number {
    const value = this.quantity(column) ?? this.reject('missing_outcome');
    return value >= range.min && value <= range.max ? value : this.reject('implausible_outcome');
  }

  /** One of `terms`, or null when missing. */
  oneOf<T extends string>(column: string, terms: readonly T[]): T | null {
    const text = this.text(column);
    return text === null ? null : (terms.find((term) => term === text) ?? this.reject('invalid_scope'));
  }
}

/**
 * Turns CSV text into records, row by row, counting what is rejected and why. `needed` are the columns that must exist.
 * Throws InvalidInputError for text that is not CSV and for missing columns, naming them.
 */
export function readRows<R extends BuildingRecord>(
  text: string,
  needed: readonly string[],
  build: (row: Row) => R,
): StockReading<R> {
  const { header, rows } = parseCsv(text);
  const columns = header.map((name) => name.trim());
  const absent = needed.filter((name) => !columns.includes(name));
  if (absent.length > 0) throw new InvalidInputError(`the file lacks the column(s) ${absent.join(', ')}`);
  const doubled = needed.filter((name) => columns.indexOf(name) !== columns.lastIndexOf(name));
  if (doubled.length > 0) throw new InvalidInputError(`the file has the column(s) ${doubled.join(', ')} twice`);

  const records: R[] = [];
  const rejected: Partial<Record<RejectionReason, number>> = {};
  const seen = new Set<string>();
  rows.forEach((cells, index) => {
    try {
      const row = new Row(index + 1, new Map(columns.map((name, i) => [name, cells[i] ?? ''])));
      if (cells.length !== columns.length) row.reject('malformed_row');
      const record = build(row);
      const key = JSON.stringify([record.dataPartner, record.id]);
      if (seen.has(key)) row.reject('duplicate_id');
      seen.add(key);
      records.push(record);
    } catch (error) {
      if (!(error instanceof RowRejected)) throw error;
      rejected[error.reason] = (rejected[error.reason] ?? 0) + 1;
    }
  });
  return { records, rejected, rows: rows.length };
}
