import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import Papa from 'papaparse';
import { formatCsv, parseCsv } from './csv.ts';

const cell = fc.string({ unit: fc.constantFrom('a', 'ö', ' ', '0', '.', ',', '"', '\n', '\r'), maxLength: 6 });
const table = fc
  .integer({ min: 2, max: 4 })
  .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }));

describe('parseCsv', () => {
  it('reads back what formatCsv writes, and agrees with papaparse', () => {
    fc.assert(
      fc.property(table, ([header = [], ...rows]) => {
        const text = formatCsv(header, rows);
        expect(parseCsv(text)).toEqual({ header, rows });
        expect(Papa.parse<string[]>(text, { delimiter: ',', newline: '\n', skipEmptyLines: true }).data).toEqual([
          header,
          ...rows,
        ]);
      }),
    );
  });

  it.each([
    ['Windows lines', 'a,b\r\n1,2\r\n'],
    ['old Mac lines', 'a,b\r1,2\r'],
    ['no line break at the end', 'a,b\n1,2'],
    ['a byte-order mark and blank lines', '\uFEFFa,b\n\n1,2\n\n'],
    ['quoted cells', '"a",b\n1,"2"'],
  ])('reads %s', (_, text) => {
    expect(parseCsv(text)).toEqual({ header: ['a', 'b'], rows: [['1', '2']] });
  });

  it('keeps empty cells, also the last one and a quoted only one', () => {
    expect(parseCsv('a,b\n,\n""\n').rows).toEqual([['', ''], ['']]);
  });

  it.each([
    ['a,b\n1,2\n"3,4\n', 3],
    ['a,b\n1"2,3', 2],
    ['a,b\n"x\ny",1\n"1"2,3', 4],
  ])('refuses the stray quote in %j, naming line %i', (text, line) => {
    expect(() => parseCsv(text)).toThrow(`line ${line}`);
  });

  it('refuses an empty text', () => {
    expect(() => parseCsv('\n')).toThrow('empty');
  });
});
