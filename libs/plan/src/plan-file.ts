import { parseStrict, PlanFile } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { MIN_DELTA } from '@fedcarbon/privacy';
import { checkRegions, type PartitionRegion, type PartitionSpec } from '@fedcarbon/stock';
import { checkQuorum } from './quorum.ts';
import { checkSource } from './stock-source.ts';
import { benchmarkLayout, stockView } from './stock-views.ts';

/** Fractions whose sum is compared with 1 come from decimal text. */
const SHARE_TOLERANCE = 1e-9;

/**
 * Reads a plan as an operator wrote it (already parsed from YAML) and refuses, naming the place, what could not be run or would not be private: an unknown
 * key, a negative epsilon, delta >= 1/N, shares that do not add up, a source without the features, a feature or margin that does not exist, regions that
 * overlap, a quorum that no round can reach.
 * `overrides.rounds` replaces the number of rounds; noise is calibrated for it. Throws InvalidInputError.
 */
export function parsePlanFile(value: unknown, source: string, overrides: { readonly rounds?: number } = {}): PlanFile {
  const parsed = parseStrict(PlanFile, value, source);
  const file =
    overrides.rounds === undefined ? parsed : { ...parsed, recipe: { ...parsed.recipe, rounds: overrides.rounds } };
  const refuse = (place: string, why: string): never => {
    throw new InvalidInputError(`${source}: ${place}: ${why}`);
  };
  if (file.trust === 'none') {
    refuse(
      'trust',
      '"none" adds no noise and is for in-process baselines only; a federation of services needs "distributed" or "local"',
    );
  }
  const { secureSum } = file;
  if (file.trust !== 'distributed' && secureSum !== undefined) {
    refuse('secureSum', `trust "${file.trust}" has no secure sum; leave it out or choose trust "distributed"`);
  }
  if (file.trust === 'distributed') {
    if (secureSum === undefined) return refuse('secureSum', 'trust "distributed" needs it');
    if (secureSum.maxColluding >= secureSum.minSurvivors) {
      refuse(
        'secureSum.maxColluding',
        `must be below minSurvivors (${String(secureSum.minSurvivors)}), found ${String(secureSum.maxColluding)}: no noise could be counted on`,
      );
    }
    if (file.round.quorum < secureSum.minSurvivors) {
      refuse(
        'round.quorum',
        `${String(file.round.quorum)} is below secureSum.minSurvivors (${String(secureSum.minSurvivors)}): so small a sum is never opened`,
      );
    }
    if (file.round.clientsPerRegion !== null) {
      refuse('round.clientsPerRegion', 'must be null under trust "distributed": whoever is left out counts as lost');
    }
  }
  const { total, perClient } = file.nominalRecords;
  if (perClient > total)
    refuse('nominalRecords.perClient', `${String(perClient)} is more than the total of ${String(total)}`);
  if (!(file.privacy.delta < 1 / total)) {
    refuse(
      'privacy.delta',
      `${String(file.privacy.delta)} is not below 1/N = ${(1 / total).toPrecision(3)} for the ${String(total)} nominal records; such a delta would allow publishing a record outright`,
    );
  }
  if (file.privacy.delta < MIN_DELTA) {
    refuse('privacy.delta', `must be at least ${String(MIN_DELTA)}, found ${String(file.privacy.delta)}`);
  }
  const { testShare } = file.partition;
  if (Math.round(total * (1 - testShare)) < 1) {
    refuse(
      'partition.testShare',
      `${String(testShare)} leaves none of the ${String(total)} nominal records for training; choose less`,
    );
  }
  const { model, benchmarks } = file.privacy.budgetShares;
  if (Math.abs(model + benchmarks - 1) > SHARE_TOLERANCE) {
    refuse('privacy.budgetShares', `must add up to 1, found ${String(model + benchmarks)}`);
  }
  const [lo, hi] = file.stock.yRange;
  if (!(lo < hi)) refuse('stock.yRange', `must ascend, found [${String(lo)}, ${String(hi)}]`);
  if (file.round.globalDeadlineMs <= file.round.regionalDeadlineMs) {
    refuse(
      'round.globalDeadlineMs',
      `must be above round.regionalDeadlineMs (${String(file.round.regionalDeadlineMs)})`,
    );
  }
  if (file.partition.kind === 'dirichlet') {
    file.regions.forEach(({ name, clients: count }, r) => {
      if (count === undefined)
        refuse(`regions.${String(r)}`, `region "${name}" needs \`clients\`, the number of holders to simulate`);
      if (count !== file.regions[0]?.clients)
        refuse(`regions.${String(r)}.clients`, 'every region must have the same number');
    });
  }
  try {
    const { kind } = file.partition;
    checkQuorum(
      file.regions.map(({ clients }) => (kind === 'dirichlet' ? (clients ?? 0) : Infinity)),
      file.round,
    );
    checkRegions(partitionRegions(file));
    checkSource(file.stock);
    benchmarkLayout(stockView(file.stock), file.benchmarks);
  } catch (cause) {
    if (cause instanceof InvalidInputError)
      throw new InvalidInputError(`${source}: ${cause.message}`, { cause, code: cause.code });
    throw cause;
  }
  return file;
}

function partitionRegions(file: PlanFile): PartitionRegion[] {
  return file.regions.map(({ name, countries }) => ({ name, countries: countries ?? 'any' }));
}

/** How a simulation splits its stock among holders. */
export function partitionSpec(file: PlanFile): PartitionSpec {
  const { seed, testShare } = file.partition;
  const core = { regions: partitionRegions(file), seed, testShare };
  if (file.partition.kind === 'natural') return { kind: 'natural', ...core };
  return {
    kind: 'dirichlet',
    ...core,
    clientsPerRegion: file.regions[0]?.clients ?? 0,
    alpha: file.partition.alpha,
    targetQuantiles: file.partition.quantiles,
    outcome: stockView(file.stock).outcome,
  };
}
