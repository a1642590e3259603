import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { termOf } from './term.ts';

describe('termOf', () => {
  it.each([
    ['Single family house', 'single-family-house'],
    ['Hotel & Resort', 'hotel-resort'],
    ['frame concrete/wood', 'frame-concrete-wood'],
    ['Concrete w/o reinforcement', 'concrete-without-reinforcement'],
    ['Ceramics (e.g., fired clay bricks)', 'ceramics'],
    ['Earth (e.g., unfired clay, adobe, rammed earth, etc.)', 'earth'],
  ])('%j is %s', (text, term) => {
    expect(termOf(text)).toBe(term);
  });

  it.each(['', '  ', 'n/a', 'No data', 'no data', 'NO DATA ', '(none)', '-'])('%j is missing', (text) => {
    expect(termOf(text)).toBeNull();
  });

  it('is idempotent: a term is its own term', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const term = termOf(text);
        fc.pre(term !== null);
        // "no data" and its like are missing in every spelling that survives, so a term may not turn into one of them.
        expect(termOf(term)).toBe(term);
      }),
    );
  });
});
