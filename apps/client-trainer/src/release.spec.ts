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
    ['noise shares without a secure sum', { privacy: { ...plan.privacy, trust: 'distributed' as const } }],
    ['no noise', { privacy: { ...plan.privacy, trust: 'none' as const } }],
  ])('are not, with %s', (_, change) => {
    expect(() => {
      requireTrueCosts({ ...plan, ...change });
    }).toThrow(InvalidInputError);
  });
});

describe('the noise shares that a plan counts on', () => {
  const { plan: shared } = testFederation(['alder', 'birch', 'cedar', 'doum', 'elder'], 5, 4);
  const { secureSum } = shared.privacy;
  if (secureSum?.protocol !== 'double-masking') throw new Error('the plan has another secure sum');
  const withShares = (change: Partial<typeof secureSum>) => ({
    ...shared,
    privacy: { ...shared.privacy, secureSum: { ...secureSum, ...change } },
  });

  it('are believed when K_min of them add up to what is charged', () => {
    expect(secureSum.minSurvivors * secureSum.shareSigmaSquared.model).toBe(shared.recipe.event.sigmaSquared);
    expect(() => {
      requireTrueCosts(shared);
    }).not.toThrow();
  });

  it.each([
    ['fewer survivors than it takes', withShares({ minSurvivors: 3 })],
    ['more survivors than members', withShares({ minSurvivors: 6 })],
    ['one that colludes', withShares({ maxColluding: 1 })],
    ['nobody who is honest', withShares({ maxColluding: 4 })],
    [
      'a smaller share',
      withShares({
        shareSigmaSquared: { ...secureSum.shareSigmaSquared, model: secureSum.shareSigmaSquared.model - 1 / 64 },
      }),
    ],
    ['trust local', { ...shared, privacy: { ...shared.privacy, trust: 'local' as const } }],
  ])('are not, with %s', (_, changed) => {
    expect(() => {
      requireTrueCosts(changed);
    }).toThrow(InvalidInputError);
  });

  it('may be for fewer survivors with two servers', () => {
    const { model, benchmarks } = secureSum.shareSigmaSquared;
    const few = { ...secureSum, minSurvivors: 2, shareSigmaSquared: { model: 2 * model, benchmarks: 2 * benchmarks } };
    const helper = { publicKey: shared.operatorKey, sealingKey: shared.operatorKey };
    const two = { ...few, protocol: 'two-servers' as const, helper };
    const costs = (changed: typeof few | typeof two) => () => {
      requireTrueCosts({ ...shared, privacy: { ...shared.privacy, secureSum: changed } });
    };
    expect(costs(two)).not.toThrow();
    expect(costs({ ...two, minSurvivors: 1 })).toThrow(/takes at least 2/);
    expect(costs(few)).toThrow(/takes at least 4/);
  });

  it('must be paid for out of delta', () => {
    // Shares of variance 1 would be far from a discrete Gaussian when added up: events that they do add up to, but no delta for it.
    const share = { model: 1, benchmarks: 1 };
    const small = withShares({ shareSigmaSquared: share, noiseDistanceDelta: 1e-9 });
    const events = {
      model: { ...shared.recipe.event, sigmaSquared: 4 },
      benchmarks: { ...shared.benchmarks.event, sigmaSquared: 4 },
    };
    expect(() => {
      requireTrueCosts({
        ...small,
        recipe: { ...small.recipe, event: events.model },
        benchmarks: { ...small.benchmarks, event: events.benchmarks },
      });
    }).toThrow(/noiseDistanceDelta is 1e-9/);
  });
});
