import { describe, expect, it } from '@jest/globals';
import { ecebdLayout, releasedSegment } from './index.ts';

const { margins } = ecebdLayout({
  countries: ['France', 'Denmark'],
  subtypes: ['Row house'],
  structures: ['frame wood'],
});
const scope = { use: 'residential', margins };

describe('releasedSegment', () => {
  it.each([
    [{}, 'all', 'all'],
    [{ use: 'Residential', country: undefined }, 'all', 'all'],
    [{ country: 'denmark' }, 'country', 'Denmark'],
    [{ use: 'residential', structure: 'Frame wood' }, 'structure', 'frame wood'],
    [{ subtype: 'Row house' }, 'subtype', 'Row house'],
  ])('answers %j from %s = %s', (query, margin, group) => {
    expect(releasedSegment(scope, query)).toEqual({ status: 'released', segment: { margin, group } });
  });

  it.each([
    [{ country: 'France', structure: 'frame wood' }, 'country and structure'],
    [{ use: 'office' }, 'residential'],
    [{ country: 'Spain' }, 'Spain'],
    [{ country: 'other' }, 'other'],
    [{ country: '' }, 'not a group'],
    [{ all: 'all' }, 'no such margin'],
    [{ scope: 'A1-A3' }, 'scope'],
  ])('does not answer %j, and says why', (query, reason) => {
    const answer = releasedSegment(scope, query);
    expect(answer).toEqual({ status: 'not_released', reason: expect.stringContaining(reason) });
  });

  it('does not answer for all records from a release without that margin', () => {
    expect(releasedSegment({ use: 'residential', margins: margins.slice(1) }, {}).status).toBe('not_released');
  });

  it('knows no use where the records tell none', () => {
    expect(releasedSegment({ use: null, margins }, {}).status).toBe('released');
    expect(releasedSegment({ use: null, margins }, { use: 'residential' }).status).toBe('not_released');
  });
});
