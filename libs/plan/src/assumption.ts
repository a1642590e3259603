import type { FederationPlan } from '@fedcarbon/contracts';

/** What the released epsilon of a plan rests on, in one sentence. */
export function trustAssumption({ privacy }: Pick<FederationPlan, 'privacy'>): string {
  const { trust, secureSum } = privacy;
  if (trust === 'none') return 'No noise is added: nothing is protected.';
  if (secureSum === null) return 'Every holder adds the full noise itself; nobody else need be trusted.';
  const honest = secureSum.minSurvivors - secureSum.maxColluding;
  return (
    `At least ${String(honest)} honest holders add their share of the noise to every released sum, and holders' keys in the plan are their own; ` +
    'servers that do not follow the protocol open nothing below that number.'
  );
}
