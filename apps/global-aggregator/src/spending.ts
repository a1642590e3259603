import type { FederationPlan } from '@fedcarbon/contracts';
import type { ChargeGroup } from '@fedcarbon/persistence';
import type { Accountant, MechanismEvent } from '@fedcarbon/privacy';

/** Largest epsilon, at the plan's delta, that a member's data set has spent over its whole life, other plans included. */
export function largestEpsilon(
  plan: FederationPlan,
  charges: readonly ChargeGroup[],
  composer: Pick<Accountant, 'epsilonOf'>,
): number {
  const members = new Set(
    plan.regions.flatMap(({ members }) => members.map(({ holder, dataset }) => `${holder}/${dataset}`)),
  );
  const histories = new Map<string, MechanismEvent[]>();
  for (const { holder, dataset, event, count } of charges) {
    const account = `${holder}/${dataset}`;
    if (!members.has(account)) continue;
    const history = histories.get(account) ?? [];
    history.push({ ...event, steps: event.steps * count });
    histories.set(account, history);
  }
  // A sum of noise shares is not quite the noise that was charged; that takes its part of delta.
  const delta = plan.privacy.delta - (plan.privacy.secureSum?.noiseDistanceDelta ?? 0);
  return Math.max(0, ...[...histories.values()].map((events) => composer.epsilonOf(events, delta).epsilon));
}
