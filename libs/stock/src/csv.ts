import { InvalidInputError } from '@fedcarbon/kernel';

/** A parsed file: the names of the header and, per further line, its cells. */
export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

// One cell and what ends it. Sticky, so that a character no alternative explains stops the scan instead of being skipped.
const CELL = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;

/**
 * Reads comma-separated text (RFC 4180, with any line ending and an optional byte-order mark). Blank lines are skipped; cells are not trimmed.
 * Throws InvalidInputError for an empty text and for a stray or unclosed quote, naming the line of the file where the row begins.
 */
export function parseCsv(text: string): CsvTable {
  const lines: string[][] = [];
  let cells: string[] = [];
  let line = 1;
  let rowStart = 0;
  CELL.lastIndex = text.startsWith('\uFEFF') ? 1 : 0;
  for (let end = false; !end;) {
    const match = CELL.exec(text);
    if (match === null) {
      throw new InvalidInputError(
        `CSV row at line ${line}: a quote is not closed or stands inside a cell; double it ("")`,
      );
    }
    const [, quoted, plain, separator] = match;
    cells.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (separator === ',') continue;
    if (cells.length > 1 || quoted !== undefined || cells[0] !== '') lines.push(cells);
    line += text.slice(rowStart, CELL.lastIndex).split('\n').length - 1;
    rowStart = CELL.lastIndex;
    cells = [];
    end = separator === '';
  }
  const [header, ...rows] = lines;
  if (header === undefined) throw new InvalidInputError('the CSV text is empty; expected a header line');
  return { header, rows };
}

/** Writes comma-separated text with a header, "\n" at the end of each line, quotes only where RFC 4180 needs them. */
export function formatCsv(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return [header, ...rows].map((cells) => `${cells.map(cell).join(',')}\n`).join('');
}
