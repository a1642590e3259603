import { InvalidInputError } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import { requireTrueCosts } from './release.ts';
import { testFederation } from './example-federation.support.ts';

const { plan } = testFederation(['alder']);

describe('the costs that a plan claims', () => {
  it('are believed when they are those of the releases', () => {
    expect(() => {
      requireTrueCosts(plan);
    }).not.toThrow();
  });

  it.each([
    [
      'a smaller sensitivity of the model',
      { recipe: { ...plan.recipe, event: { ...plan.recipe.event, sensitivitySquared: 7 } } },
    ],
    ['more than one step', { recipe: { ...plan.recipe, event: { ...plan.recipe.event, steps: 2 } } }],
    [
      'a smaller sensitivity of the counts',
      { benchmarks: { ...plan.benchmarks, event: { ...plan.benchmarks.event, sensitivitySquared: 1 } } },
    ],
    ['noise shares', { privacy: { ...plan.privacy, trust: 'distributed' as const } }],
    ['no noise', { privacy: { ...plan.privacy, trust: 'none' as const } }],
  ])('are not, with %s', (_, change) => {
    expect(() => {
      requireTrueCosts({ ...plan, ...change });
    }).toThrow(InvalidInputError);
  });
});
