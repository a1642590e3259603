import { describe, expect, it } from '@jest/globals';
import { InvalidInputError, toHex } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { gamShape, integerWidth, metrics, modelBytes, modelFromBytes, predict } from './index.ts';

describe('integerWidth', () => {
  it('is the smallest b with N + 6 sd < 2^(b-1)', () => {
    const inputs = fc.record({
      nominalRecords: fc.integer({ min: 1, max: 1e6 }),
      sdOfSum: fc.double({ min: 0, max: 1e6, noNaN: true }),
    });
    fc.assert(
      fc.property(inputs, ({ nominalRecords, sdOfSum }) => {
        const b = integerWidth({ nominalRecords, sdOfSum });
        const largest = nominalRecords + 6 * sdOfSum;
        expect(largest).toBeLessThan(2 ** (b - 1));
        expect(b === 2 || largest >= 2 ** (b - 2)).toBe(true);
      }),
    );
  });

  it('knows the edges: 511 fits 10 bits, 512 needs 11', () => {
    expect(integerWidth({ nominalRecords: 511, sdOfSum: 0 })).toBe(10);
    expect(integerWidth({ nominalRecords: 512, sdOfSum: 0 })).toBe(11);
    expect(integerWidth({ nominalRecords: 200, sdOfSum: 52 })).toBe(11);
  });

  it('refuses what no width can hold', () => {
    expect(() => integerWidth({ nominalRecords: 2 ** 30, sdOfSum: 0 })).toThrow(/1073741824 do not fit 31 bits/);
    expect(() => integerWidth({ nominalRecords: 1, sdOfSum: NaN })).toThrow(/found 1 and NaN/);
    expect(() => integerWidth({ nominalRecords: 0, sdOfSum: 1 })).toThrow(InvalidInputError);
  });
});

describe('predict', () => {
  const shape = gamShape([2, 2]);

  it('adds the weights of a record around the middle, and stays in the y-range', () => {
    const weights = Float64Array.of(0.1, -0.4, 0.2, -0.3);
    expect(Array.from(predict(shape, weights, Uint16Array.of(0, 0, 1, 0, 1, 1), [2, 22]))).toEqual([
      expect.closeTo(12 + 20 * 0.3, 12),
      expect.closeTo(12 - 20 * 0.2, 12),
      2,
    ]);
  });

  it('refuses codes that do not fit', () => {
    expect(() => predict(shape, new Float64Array(4), Uint16Array.of(0), [0, 1])).toThrow(/must hold 2 per record/);
    expect(() => predict(shape, new Float64Array(4), Uint16Array.of(0, 2), [0, 1])).toThrow(/code 2 for feature 1/);
  });
});

describe('metrics', () => {
  it('agrees with a worked example', () => {
    // Errors -1, 0, 1, -2; mean 4; squared errors 6; total 9 + 1 + 1 + 9 = 20.
    expect(metrics([1, 3, 5, 7], [2, 3, 4, 9])).toEqual({
      records: 4,
      r2: expect.closeTo(1 - 6 / 20, 12),
      mae: 1,
      rmse: expect.closeTo(Math.sqrt(1.5), 12),
    });
  });

  it('gives R2 = 1 to the truth and 0 to the mean', () => {
    expect(metrics([1, 2, 6], [1, 2, 6])).toEqual({ records: 3, r2: 1, mae: 0, rmse: 0 });
    expect(metrics([1, 2, 6], [3, 3, 3]).r2).toBe(0);
  });

  it('says why it cannot', () => {
    expect(() => metrics([1], [1])).toThrow(/at least 2 records, found 1/);
    expect(() => metrics([], [])).toThrow(/at least 2 records, found 0/);
    expect(() => metrics([1, 2], [1])).toThrow(/2 targets cannot be compared with 1 predictions/);
    expect(() => metrics([0.1, 0.1, 0.1], [1, 2, 3])).toThrow(/all 3 targets are equal/);
    expect(() => metrics([1, 2], [1, NaN])).toThrow(/finite/);
  });
});

describe('modelBytes', () => {
  it('writes version, p and little-endian doubles', () => {
    expect(toHex(modelBytes(Float64Array.of(1, -0.5, 0)))).toBe(
      ['01', '03000000', '000000000000f03f', '000000000000e0bf', '0000000000000000'].join(''),
    );
  });

  it('has one byte string for one model, and reads it back exactly', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 20 }), (list) => {
        const weights = Float64Array.from(list);
        const bytes = modelBytes(weights);
        const read = modelFromBytes(bytes);
        expect([...read].map((weight, j) => weight === weights[j])).not.toContain(false);
        expect(modelBytes(read)).toEqual(bytes);
        for (let length = 0; length < bytes.length; length++) {
          expect(() => modelFromBytes(bytes.subarray(0, length))).toThrow(InvalidInputError);
        }
        expect(() => modelFromBytes(Uint8Array.of(...bytes, 0))).toThrow(InvalidInputError);
      }),
    );
  });

  it('gives -0 and 0 one digest, and refuses a second spelling', () => {
    const zero = modelBytes(Float64Array.of(0));
    expect(modelBytes(Float64Array.of(-0))).toEqual(zero);
    expect(() => modelFromBytes(zero.with(12, 0x80))).toThrow(/-0/);
  });

  it('refuses another version, no weights and weights that are not finite', () => {
    expect(() => modelFromBytes(modelBytes(Float64Array.of(0)).with(0, 2))).toThrow(/version 2 is not version 1/);
    expect(() => modelFromBytes(Uint8Array.of(1, 0, 0, 0, 0))).toThrow(InvalidInputError);
    expect(() => modelBytes(new Float64Array())).toThrow(InvalidInputError);
    expect(() => modelBytes(Float64Array.of(1, NaN))).toThrow(/found NaN at index 1/);
    // The exponent of 1.0 raised to all ones is infinity.
    expect(() => modelFromBytes(modelBytes(Float64Array.of(1)).with(12, 0x7f))).toThrow(/found Infinity at index 0/);
  });
});
