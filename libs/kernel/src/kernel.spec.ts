import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  canonicalJson,
  concatBytes,
  equalBytes,
  fromBase64Url,
  fromHex,
  fromUtf8,
  InvalidInputError,
  toBase64Url,
  toHex,
  utf8,
} from './index.ts';

describe('bytes', () => {
  it('round-trips hexadecimal and base64url, and agrees with Node', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
        expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(['A', 'AB', 'AA==', 'A A A'])('refuses the base64url text %j', (text) => {
    expect(() => fromBase64Url(text)).toThrow(InvalidInputError);
  });

  it.each(['0', 'zz', '0x00'])('refuses the hexadecimal text %j', (text) => {
    expect(() => fromHex(text)).toThrow(InvalidInputError);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(fromUtf8(utf8('kgCO₂e'))).toBe('kgCO₂e');
    expect(() => fromUtf8(Uint8Array.of(0xff))).toThrow(InvalidInputError);
  });

  it('concatenates and compares', () => {
    const whole = concatBytes(Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3));
    expect(equalBytes(whole, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(equalBytes(whole, Uint8Array.of(1, 2, 4))).toBe(false);
    expect(equalBytes(whole, Uint8Array.of(1, 2))).toBe(false);
  });
});

describe('canonicalJson (RFC 8785)', () => {
  it('writes the example of RFC 8785, section 3.2.3', () => {
    const value = {
      numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('sorts members by UTF-16 code units (RFC 8785, section 3.2.3)', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1F600}': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toHaveLength(7);
    expect(canonicalJson(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
  });

  it('does not depend on the order of insertion and survives a round trip', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(object));
        expect(canonicalJson(JSON.parse(canonicalJson(object)) as Record<string, number>)).toBe(canonicalJson(object));
      }),
    );
  });

  it('leaves undefined members out and refuses what JSON cannot carry', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    for (const value of [NaN, Infinity, '\ud800']) expect(() => canonicalJson(value)).toThrow(InvalidInputError);
    expect(() => canonicalJson((() => 1) as never)).toThrow(InvalidInputError);
  });
});
