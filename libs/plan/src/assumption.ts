import type { FederationPlan } from '@fedcarbon/contracts';

/** What the released epsilon of a plan rests on, in one sentence. */
export function trustAssumption({ privacy }: Pick<FederationPlan, 'privacy'>): string {
  const { trust, secureSum } = privacy;
  if (trust === 'none') return 'No noise is added: nothing is protected.';
  if (secureSum === null) return 'Every holder adds the full noise itself; nobody else need be trusted.';
  const honest = secureSum.minSurvivors - secureSum.maxColluding;
  const noise = `At least ${String(honest)} honest holders add their share of the noise to every released sum`;
  const ownKeys = "holders' keys in the plan are their own";
  return secureSum.protocol === 'double-masking'
    ? `${noise}, and ${ownKeys}; servers that do not follow the protocol open nothing below that number.`
    : `${noise}, ${ownKeys}, and the two servers do not collude: sum-helper on one side, global-aggregator, regions and broker on the other; either side alone opens nothing below that number, even if it does not follow the protocol.`;
}
