import { describe, expect, it } from '@jest/globals';
import { fromHex, InvalidInputError, toHex } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { decodeIntegers, encodedLength, encodeIntegers } from '../index.ts';

/** Value and hex fragments, each labelled with its field. Worked out by hand from the format. */
const GOLDEN: { name: string; bits: number; values: number[]; residues: number[]; fields: Record<string, string> }[] = [
  {
    name: 'no integers',
    bits: 10,
    values: [],
    residues: [],
    fields: { version: '01', bits: '0a', count: '000000', integers: '' },
  },
  {
    name: '1, -1, 0 in 10 bits and 2 bits of padding',
    bits: 10,
    values: [1, -1, 0],
    residues: [1, 1023, 0],
    fields: { version: '01', bits: '0a', count: '000003', integers: '007ff000' },
  },
  {
    name: 'the extremes of 2 bits, no padding',
    bits: 2,
    values: [-2, -1, 0, 1],
    residues: [2, 3, 0, 1],
    fields: { version: '01', bits: '02', count: '000004', integers: 'b1' },
  },
  {
    name: 'the extremes of 31 bits and 2 bits of padding',
    bits: 31,
    values: [-(2 ** 30), 2 ** 30 - 1],
    residues: [2 ** 30, 2 ** 30 - 1],
    fields: { version: '01', bits: '1f', count: '000002', integers: '80000000fffffffc' },
  },
  {
    name: 'wraps 12 bits: 2048 becomes -2048, -2049 becomes 2047',
    bits: 12,
    values: [2048, -2049],
    residues: [2048, 2047],
    fields: { version: '01', bits: '0c', count: '000002', integers: '8007ff' },
  },
];

const bitsAndValues = fc.integer({ min: 2, max: 31 }).chain((bits) =>
  fc.record({
    bits: fc.constant(bits),
    values: fc
      .array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 40 })
      .map((v) => Int32Array.from(v)),
  }),
);

/** The format read off its definition: one string of binary digits. */
function slowEncode(values: Int32Array, bits: number): Uint8Array {
  const residue = (value: number): bigint => BigInt.asUintN(bits, BigInt(value));
  const digits =
    (1).toString(2).padStart(8, '0') +
    bits.toString(2).padStart(8, '0') +
    values.length.toString(2).padStart(24, '0') +
    Array.from(values, (value) => residue(value).toString(2).padStart(bits, '0')).join('');
  const padded = digits.padEnd(Math.ceil(digits.length / 8) * 8, '0');
  return Uint8Array.from({ length: padded.length / 8 }, (_, i) => parseInt(padded.slice(8 * i, 8 * i + 8), 2));
}

describe('packed integers, version 1', () => {
  it.each(GOLDEN)('writes and reads $name', ({ bits, values, residues, fields }) => {
    const hex = Object.values(fields).join('');
    expect(toHex(encodeIntegers(Int32Array.from(values), bits))).toBe(hex);
    expect(decodeIntegers(fromHex(hex))).toEqual({ bits, values: Uint32Array.from(residues) });
  });

  it('writes what the slow implementation writes, and reads it back modulo 2^bits', () => {
    fc.assert(
      fc.property(bitsAndValues, ({ bits, values }) => {
        const bytes = encodeIntegers(values, bits);
        expect(bytes).toEqual(slowEncode(values, bits));
        expect(bytes).toHaveLength(encodedLength(values.length, bits));
        const modulus = 2n ** BigInt(bits);
        const residues = Array.from(values, (value) => Number(((BigInt(value) % modulus) + modulus) % modulus));
        expect(decodeIntegers(bytes)).toEqual({ bits, values: Uint32Array.from(residues) });
      }),
    );
  });

  it('refuses every truncation and every extension', () => {
    fc.assert(
      fc.property(bitsAndValues, fc.uint8Array({ minLength: 1, maxLength: 6 }), ({ bits, values }, tail) => {
        const bytes = encodeIntegers(values, bits);
        for (let length = 0; length < bytes.length; length++) {
          expect(() => decodeIntegers(bytes.subarray(0, length))).toThrow(InvalidInputError);
        }
        expect(() => decodeIntegers(Uint8Array.of(...bytes, ...tail))).toThrow(InvalidInputError);
      }),
    );
  });

  it('refuses every flipped bit of the header when integers are at least a byte wide and at least 31 of them', () => {
    // Then any other count changes the length, and so does any other width. Shorter messages: next test.
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 31 }),
        fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 31, maxLength: 60 }),
        (bits, values) => {
          const bytes = encodeIntegers(Int32Array.from(values), bits);
          for (let bit = 0; bit < 40; bit++)
            expect(() => decodeIntegers(flipBit(bytes, bit))).toThrow(InvalidInputError);
        },
      ),
    );
  });

  it('accepts a flipped bit anywhere only as the one encoding of another message', () => {
    fc.assert(
      fc.property(bitsAndValues, ({ bits, values }) => {
        const bytes = encodeIntegers(values, bits);
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          const flipped = flipBit(bytes, bit);
          const read = decodedOrRefused(flipped);
          if (read !== undefined) expect(encodeIntegers(read.values, read.bits)).toEqual(flipped);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('refuses padding bits that are not zero', () => {
    for (const last of ['01', '02', '03'])
      expect(() => decodeIntegers(fromHex(`010a000003007ff0${last}`))).toThrow(/padding/);
  });

  it.each([0, 1, 32, 255])('refuses a width of %d bits on both sides', (bits) => {
    expect(() => encodeIntegers(new Int32Array(3), bits)).toThrow(/2 to 31 bits, found/);
    expect(() => decodeIntegers(Uint8Array.of(1, bits, 0, 0, 0))).toThrow(/2 to 31 bits, found/);
  });

  it('refuses another version and says which it knows', () => {
    expect(() => decodeIntegers(fromHex('020a000000'))).toThrow(/known version \(1\), found version 2/);
    expect(() => decodeIntegers(new Uint8Array())).toThrow(/found no bytes at all/);
  });

  it('refuses a count that the bytes do not carry, with the length it expected', () => {
    expect(() => decodeIntegers(fromHex('011fffffff'))).toThrow(
      /16777215 integers of 31 bits takes 65011714 bytes, this one has 5/,
    );
  });

  it('refuses more integers than the count field can name', () => {
    expect(() => encodeIntegers(new Int32Array(2 ** 24), 2)).toThrow(/16777216 integers do not fit/);
  });
});

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return flipped;
}

function decodedOrRefused(bytes: Uint8Array): ReturnType<typeof decodeIntegers> | undefined {
  try {
    return decodeIntegers(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    return undefined;
  }
}
