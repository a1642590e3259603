import { createHash } from 'node:crypto';
import type { Role } from '@fedcarbon/contracts';
import { describe, expect, it } from '@jest/globals';
import { ApiKeys } from './api-keys.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const stored = (role: Role, key: string, holder?: string) => ({
  ...{ name: role, role, sha256: sha256(key) },
  ...(holder === undefined ? {} : { holder }),
});
const keys = new ApiKeys([stored('analyst', 'fc_analyst_1'), stored('holder', 'fc_holder-2', 'alder')]);

describe('API keys', () => {
  it.each([
    ['Bearer fc_analyst_1', 'analyst', undefined],
    ['bearer  fc_holder-2', 'holder', 'alder'],
  ])('knows %j', (header, role, holder) => {
    expect(keys.askerOf(header)).toMatchObject({ role, holder });
  });

  it.each([
    undefined,
    '',
    'fc_analyst_1',
    'Basic fc_analyst_1',
    'Bearer fc_analyst_2',
    'Bearer fc_analyst_1 ',
    'Bearer fc_analyst_1, Bearer fc_analyst_1',
    `Bearer ${sha256('fc_analyst_1')}`,
    `Bearer fc_${'x'.repeat(10_000)}`,
  ])('does not know %j', (header) => {
    expect(keys.askerOf(header)).toBeUndefined();
  });

  it('lets nobody in when there are no keys', () => {
    expect(new ApiKeys([]).askerOf('Bearer fc_analyst_1')).toBeUndefined();
  });
});
