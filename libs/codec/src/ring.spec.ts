import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { addModulo, decodeIntegers, encodeIntegers, sumModulo, toResidues, toSigned } from './index.ts';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const vectors = fc
  .record({ count: fc.integer({ min: 1, max: 6 }), length: fc.integer({ min: 0, max: 12 }) })
  .chain(({ count, length }) =>
    fc.array(
      fc.array(int32, { minLength: length, maxLength: length }).map((values) => Int32Array.from(values)),
      { minLength: count, maxLength: count },
    ),
  );
const width = fc.integer({ min: 2, max: 31 });

describe('integers modulo 2^bits', () => {
  it('the sum of decoded updates is the decoded sum, also when the true sum wraps', () => {
    fc.assert(
      fc.property(vectors, width, (list, bits) => {
        const decoded = list.map((values) => decodeIntegers(encodeIntegers(values, bits)).values);
        const exact = Array.from({ length: list[0]?.length ?? 0 }, (_, i) =>
          list.reduce((sum, values) => sum + BigInt(values[i] ?? 0), 0n),
        );
        const expected = Uint32Array.from(exact, (sum) => Number(BigInt.asUintN(bits, sum)));
        expect(sumModulo(decoded, bits)).toEqual(expected);
        expect(sumModulo(list, bits)).toEqual(expected);
        expect(toSigned(expected, bits)).toEqual(Int32Array.from(exact, (sum) => Number(BigInt.asIntN(bits, sum))));
      }),
    );
  });

  it('partial sums may be summed again, in any order', () => {
    fc.assert(
      fc.property(vectors, width, (list, bits) => {
        const folded = list.reduceRight(
          (sum, values) => addModulo(values, sum, bits),
          new Int32Array(list[0]?.length ?? 0) as Int32Array | Uint32Array,
        );
        expect(folded).toEqual(sumModulo(list, bits));
      }),
    );
  });

  it('the centred lift returns every integer of [-2^(bits-1), 2^(bits-1))', () => {
    for (const bits of [2, 3, 8]) {
      const all = Int32Array.from({ length: 2 ** bits }, (_, i) => i - 2 ** (bits - 1));
      expect(toSigned(toResidues(all, bits), bits)).toEqual(all);
    }
    const extremes = Int32Array.of(-(2 ** 30), 2 ** 30 - 1);
    expect(toSigned(toResidues(extremes, 31), 31)).toEqual(extremes);
  });

  it('refuses different lengths, no vectors, and widths outside 2..31', () => {
    expect(() => addModulo(new Int32Array(2), new Int32Array(3), 10)).toThrow(/one length, found 2 and 3/);
    expect(() => sumModulo([], 10)).toThrow(/at least one vector/);
    for (const bits of [1, 32, 2.5, NaN]) {
      expect(() => toSigned(new Int32Array(1), bits)).toThrow(InvalidInputError);
      expect(() => toResidues(new Int32Array(1), bits)).toThrow(InvalidInputError);
      expect(() => sumModulo([new Int32Array(1)], bits)).toThrow(InvalidInputError);
    }
  });
});
