import { epsilonOf } from '@fedcarbon/privacy';
import { describe, expect, it } from '@jest/globals';
import { ExampleFederation } from './example-federation.support.ts';
import { largestEpsilon } from './spending.ts';

const { plan } = new ExampleFederation();
const event = { kind: 'discreteGaussian', sigmaSquared: 1024, sensitivitySquared: 4, steps: 1 } as const;
const other = { ...event, sigmaSquared: 4096 };
const north = { holder: 'north-01', dataset: 'north-01-data' };

describe('largestEpsilon', () => {
  it('composes the whole history of the most charged member', () => {
    const charges = [
      { ...north, event, count: 3 },
      { ...north, event: other, count: 1 },
      { holder: 'south-02', dataset: 'south-02-data', event, count: 3 },
    ];
    const { epsilon } = epsilonOf([event, event, event, other], plan.privacy.delta);
    expect(largestEpsilon(plan, charges, { epsilonOf })).toBe(epsilon);
  });

  it('leaves out data sets that are not in the plan', () => {
    const charges = [
      { holder: 'elsewhere', dataset: 'north-01-data', event, count: 9 },
      { holder: 'north-01', dataset: 'another', event, count: 9 },
    ];
    expect(largestEpsilon(plan, charges, { epsilonOf })).toBe(0);
  });
});
