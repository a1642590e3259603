import { PATTERNS, SUBJECTS } from '@fedcarbon/contracts';
import { describe, expect, it } from '@jest/globals';
import { subjectMatches } from './subject-match.ts';

describe('subjectMatches (NATS subject wildcards)', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a', false],
    ['a', 'a.b', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.*.c', 'a.b.c', true],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a', true],
    ['a.>.c', 'a.b.c', false],
  ])('%s against %s: %p', (pattern, subject, expected) => {
    expect(subjectMatches(pattern, subject)).toBe(expected);
  });

  it('tells the kinds of messages to one reader apart', () => {
    const subject = SUBJECTS.receipt('alder');
    const fitting = [PATTERNS.task, PATTERNS.receipt, PATTERNS.update, PATTERNS.decline].filter((pattern) =>
      subjectMatches(pattern, subject),
    );
    expect(fitting).toEqual([PATTERNS.receipt]);
  });
});
