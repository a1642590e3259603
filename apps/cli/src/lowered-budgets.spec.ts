import { describe, expect, it } from '@jest/globals';
import type { FederationPlan } from '@fedcarbon/contracts';
import { loweredBudgets } from './lowered-budgets.ts';

const plan = (epsilon: number, delta: number) =>
  ({
    privacy: { epsilon, delta },
    regions: [{ members: [{ holder: 'a', dataset: 'x' }] }, { members: [{ holder: 'b', dataset: 'x' }] }],
  }) as unknown as FederationPlan;
const budget = (holder: string, dataset: string, epsilon: number) => ({ holder, dataset, epsilon, delta: 1e-5 });

describe('loweredBudgets', () => {
  it('says how many budgets a plan lowers, to what and from what', () => {
    const budgets = [budget('a', 'x', 1), budget('b', 'x', 2), budget('b', 'other', 3), budget('c', 'x', 4)];
    expect(loweredBudgets(plan(0.5, 1e-5), budgets)).toBe(
      'budgets of 2 data sets are lowered for good, for later plans too: to epsilon 0.5 at delta 0.00001, from up to epsilon 2 at delta 0.00001',
    );
    expect(loweredBudgets(plan(1, 1e-5), budgets)).toMatch(/^budgets of 1 data sets/);
    expect(loweredBudgets(plan(2, 1e-6), budgets)).toMatch(/^budgets of 2 data sets/);
  });

  it('says nothing when none is lowered', () => {
    expect(loweredBudgets(plan(2, 1e-5), [budget('a', 'x', 1), budget('b', 'x', 2)])).toBeUndefined();
    expect(loweredBudgets(plan(0.1, 1e-6), [])).toBeUndefined();
    expect(loweredBudgets(plan(0.1, 1e-6), [budget('c', 'x', 4)])).toBeUndefined();
  });
});
