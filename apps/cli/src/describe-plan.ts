import type { FederationPlan, SecureSumPlan } from '@fedcarbon/contracts';
import { resolvePlan, trustAssumption } from '@fedcarbon/plan';
import { epsilonOf } from '@fedcarbon/privacy';
import { toBase64Url } from '@fedcarbon/kernel';
import { checkoutRoot } from '@fedcarbon/stack';
import { readPlanFile } from './simulation.ts';

/** What follows from a plan file, without enrolling anybody: the noise, the widths, what a run may cost. Throws InvalidInputError naming what is wrong. */
export function describePlan(nameOrPath: string): string[] {
  const file = readPlanFile(nameOrPath, checkoutRoot);
  const placeholder = toBase64Url(new Uint8Array(32));
  // A natural partition has as many members as its stock has holders, which only the stock tells: the quorum is the least it can be.
  const members = (region: (typeof file.regions)[number]) =>
    region.clients ?? Math.ceil(file.round.quorum / file.regions.length);
  const plan = resolvePlan(file, {
    simulation: true,
    // Known once a stock is loaded.
    data: { kind: 'private' },
    keys: { global: placeholder, accountant: placeholder, checkpoint: placeholder },
    operatorKey: placeholder,
    helper: { publicKey: toBase64Url(new Uint8Array(32).fill(1)), sealingKey: placeholder },
    regions: file.regions.map((region) => ({
      name: region.name,
      publicKey: placeholder,
      members: Array.from({ length: members(region) }, (_, k) => ({
        holder: `${region.name}-${String(k + 1)}`,
        dataset: file.stock.source,
        publicKey: placeholder,
      })),
    })),
  });
  const { recipe, benchmarks, privacy } = plan;
  const { secureSum } = privacy;
  const total = epsilonOf(
    [{ ...recipe.event, steps: recipe.rounds + recipe.spareRounds }, benchmarks.event],
    privacy.delta - (secureSum?.noiseDistanceDelta ?? 0),
  );
  const clients = plan.regions.reduce((sum, region) => sum + region.members.length, 0);
  return [
    `${file.name}: ${file.description}`,
    `members     ${String(clients)}${file.partition.kind === 'natural' ? ' or more (one per data partner and country)' : ''} in ${String(plan.regions.length)} regions, quorum ${String(plan.round.quorum)}`,
    `trust       ${privacy.trust}: ${trustAssumption(plan)}`,
    ...(secureSum === null ? [] : [secureSumLine(secureSum)]),
    `budget      epsilon ${String(privacy.epsilon)}, delta ${String(privacy.delta)}, ${privacy.adjacency}`,
    `model       ${String(recipe.rounds)} rounds and ${String(recipe.spareRounds)} spare, sigma^2 ${String(recipe.event.sigmaSquared)}, L2 sensitivity sqrt(${String(recipe.event.sensitivitySquared)}), ${String(recipe.bits)} bits`,
    `benchmarks  ${benchmarks.layout.margins.map(marginText).join(', ')}: sigma^2 ${String(benchmarks.event.sigmaSquared)}, L2 sensitivity sqrt(${String(benchmarks.event.sensitivitySquared)}), ${String(benchmarks.bits)} bits`,
    `all rounds  epsilon ${total.epsilon.toFixed(6)} (${total.method})`,
  ];
}

function marginText({ name, histograms }: FederationPlan['benchmarks']['layout']['margins'][number]): string {
  return histograms.length === 1 ? name : `${name} (${String(histograms.length)} histograms)`;
}

function secureSumLine({ protocol, minSurvivors, maxColluding, ...noise }: SecureSumPlan): string {
  const { shareSigmaSquared, noiseDistanceDelta } = noise;
  return [
    `secure sum  ${protocol}`,
    `at least ${String(minSurvivors)} survivors`,
    `${String(maxColluding)} colluding`,
    `noise of each holder sigma^2 ${String(shareSigmaSquared.model)} (model) and ${String(shareSigmaSquared.benchmarks)} (benchmarks)`,
    `their sum's distance takes ${noiseDistanceDelta.toPrecision(2)} of delta`,
  ].join(', ');
}
