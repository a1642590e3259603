import { describe, expect, it } from '@jest/globals';
import { answerOf } from '../snapshot/answer.ts';
import { fits } from './send-answer.ts';

describe('entity tags', () => {
  it('differ exactly when bodies do', () => {
    const tag = (size: number) => answerOf({ ledger: { size } }).etag;
    expect(tag(7)).toBe(tag(7));
    expect(tag(7)).not.toBe(tag(8));
    expect(tag(7)).toMatch(/^"[!#-~]+"$/); // RFC 9110, section 8.8.3
  });

  // RFC 9110, section 13.1.2.
  it.each([
    ['"a"', true],
    ['W/"a"', true],
    ['"b", W/"a" ,"c"', true],
    ['*', true],
    ['"b"', false],
    ['a', false],
    ['', false],
    [undefined, false],
  ])('If-None-Match %j fits "a": %s', (header, expected) => {
    expect(fits(header, '"a"')).toBe(expected);
  });
});
