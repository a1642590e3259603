import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FakeClock } from './clock.ts';
import { parseCsv } from './golden.ts';
import { seededRandom, systemRandom } from './random.ts';

describe('FakeClock', () => {
  it('moves when told to', () => {
    const clock = new FakeClock(1000);
    clock.advance(0.5);
    clock.advance(0);
    expect(clock.nowMs()).toBe(1000.5);
  });

  it.each([-1, Number.NaN])('refuses to move by %d ms', (ms) => {
    const clock = new FakeClock(1000);
    expect(() => {
      clock.advance(ms);
    }).toThrow(RangeError);
    expect(clock.nowMs()).toBe(1000);
  });
});

describe('random sources', () => {
  it('give the same bytes for the same seed, however they are asked for', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.nat(70_000), { maxLength: 4 }), (seed, lengths) => {
        const pieces = seededRandom(seed);
        const total = lengths.reduce((sum, length) => sum + length, 0);
        const joined = Buffer.concat(lengths.map((length) => pieces.bytes(length)));
        expect(joined.equals(seededRandom(seed).bytes(total))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('differ between seeds and never hand out the same bytes twice', () => {
    expect(seededRandom(1).bytes(32)).not.toEqual(seededRandom(2).bytes(32));
    const source = seededRandom('a');
    expect(source.bytes(32)).not.toEqual(source.bytes(32));
    expect(systemRandom().bytes(32)).not.toEqual(systemRandom().bytes(32));
  });

  it('spread seeded bytes evenly', () => {
    // Seed 7, n = 256,000: chi-squared with 255 degrees of freedom exceeds 377.1 with probability 1e-6.
    const counts = new Float64Array(256);
    for (const byte of seededRandom(7).bytes(256_000)) counts[byte] = (counts[byte] ?? 0) + 1;
    const chiSquared = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(377.1);
  });
});

describe('parseCsv', () => {
  it('reads quotes, empty fields, comments and line breaks inside quotes', () => {
    expect(parseCsv('# from a reference\na,b,c\n1,"x, ""y""\nz",\r\n,,3\n')).toEqual([
      { a: '1', b: 'x, "y"\nz', c: '' },
      { a: '', b: '', c: '3' },
    ]);
  });

  it('gives back what was written, for any fields', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '1', ',', '"', '\n', ' ', 'é') });
    fc.assert(
      fc.property(fc.array(fc.tuple(field, field)), (rows) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const text = ['x,y', ...rows.map((row) => row.map(quote).join(','))].join('\n');
        expect(parseCsv(text)).toEqual(rows.map(([x, y]) => ({ x, y })));
      }),
    );
  });

  it('refuses a row of another length and a stray quote', () => {
    expect(() => parseCsv('a,b\n1\n')).toThrow('record 2 has 1 fields, the header has 2');
    expect(() => parseCsv('a\nx"y\n')).toThrow('malformed at character 2');
  });
});
