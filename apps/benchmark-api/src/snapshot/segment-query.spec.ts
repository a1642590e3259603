import type { FederationPlan } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import type { PlanScope } from './plan-scope.ts';
import { segmentQuery } from './segment-query.ts';

type Margins = Pick<FederationPlan['benchmarks']['layout']['margins'][number], 'name' | 'groups'>[];
const scopeOf = (use: string | null, margins: Margins) =>
  ({ plan: { stock: { use }, benchmarks: { layout: { margins } } } }) as unknown as PlanScope;
const scopeWith = (...margins: Margins) => scopeOf('residential', margins);
const scope = scopeWith(
  { name: 'all', groups: ['all'] },
  { name: 'country', groups: ['DK', 'FR', 'other'] },
  { name: 'structure', groups: ['massive-brick', 'frame-concrete-wood', 'other'] },
  { name: 'orientation', groups: ['north', 'other'] },
);
const ask = (query: string, within = scope) => segmentQuery(within, new URLSearchParams(query));
const segmentOf = (query: string) => {
  const { answer } = ask(query);
  return answer.status === 'released' ? `${answer.segment.margin}=${answer.segment.group}` : answer.status;
};

describe('the query of a benchmark', () => {
  it.each([
    ['', 'all=all'],
    ['use=Residential', 'all=all'],
    ['country=dk', 'country=DK'],
    ['structure=Massive+brick&use=residential', 'structure=massive-brick'],
    ['structure=frame%20concrete%2Fwood', 'structure=frame-concrete-wood'],
    ['orientation=NORTH', 'orientation=north'],
  ])('%j asks for %s', (query, segment) => {
    expect(segmentOf(query)).toBe(segment);
  });

  it.each([
    ...[
      'country=DK&structure=massive-brick',
      'country=other',
      'structure=Other',
      'country=SE',
      'country=',
      'use=office',
    ],
    ...['scope=A1-A3', 'rsp=60', 'subtype=row-house', 'glazingArea=0.1', 'country=n%2Fa'],
  ])('%j is not released', (query) => {
    expect(segmentOf(query)).toBe('not_released');
  });

  it.each([
    ['nation=DK', 'unknown_parameter', '"nation"'],
    ['all=all', 'unknown_parameter', '"all"'],
    ['__proto__=x', 'unknown_parameter', '"__proto__"'],
    ['country=DK&country=FR', 'repeated_parameter', '"country"'],
  ])('%j is refused', (query, code, message) => {
    const refused = () => ask(query);
    expect(refused).toThrow(InvalidInputError);
    expect(refused).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });

  it('shows the segment in the spelling of the release', () => {
    expect(ask('structure=MASSIVE%20Brick&use=RESIDENTIAL').segment).toEqual({
      structure: 'massive-brick',
      use: 'residential',
    });
    expect(ask('country=Sweden').segment).toEqual({ country: 'Sweden' });
  });

  it('knows no use where the plan has none', () => {
    const without = scopeOf(null, [{ name: 'all', groups: ['all'] }]);
    expect(ask('', without).answer.status).toBe('released');
    expect(ask('use=residential', without)).toMatchObject({
      segment: { use: 'residential' },
      answer: { status: 'not_released', reason: expect.stringContaining('use "residential"') },
    });
  });

  it('has no answer for all records where the plan does not release them', () => {
    expect(ask('', scopeWith({ name: 'country', groups: ['DK', 'other'] })).answer.status).toBe('not_released');
  });
});
