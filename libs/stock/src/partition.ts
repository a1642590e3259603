import { InvalidInputError } from '@fedcarbon/kernel';
import { countryOf, outcomeOf } from './building-record.ts';
import type { BuildingRecord, OutcomeName } from './building-record.ts';
import { SeededRandom } from './seeded-random.ts';
import { termOf } from './term.ts';

/** A region of a federation: the countries (ISO 3166-1 alpha-2) whose records its clients hold, or `any` where records have no country. */
export interface PartitionRegion {
  readonly name: string;
  readonly countries: readonly string[] | 'any';
}

interface PartitionCore {
  readonly regions: readonly PartitionRegion[];
  /** Share of each holder's records that is kept for testing, in [0, 1). */
  readonly testShare: number;
  readonly seed: number;
}

/**
 * Simulated holders of unequal stock: within a region, for each of `targetQuantiles` equal groups by the outcome, shares of the region's clients are drawn from
 * Dirichlet(`alpha`) (the label-skew partition of Hsu et al. 2019, arXiv 1909.06335, on quantiles of a continuous target). A holder may end with nothing.
 */
export interface DirichletPartition extends PartitionCore {
  readonly kind: 'dirichlet';
  readonly clientsPerRegion: number;
  readonly alpha: number;
  readonly targetQuantiles: number;
  readonly outcome: OutcomeName;
}

/** The holders that exist: one per data partner and country. */
export interface NaturalPartition extends PartitionCore {
  readonly kind: 'natural';
}

export type PartitionSpec = DirichletPartition | NaturalPartition;

/** A holder's share of a stock. */
export interface Holder {
  /** E.g. "france-01", or "ku-leuven-be" in a natural partition. */
  readonly id: string;
  readonly region: string;
  readonly train: readonly BuildingRecord[];
  readonly test: readonly BuildingRecord[];
}

/**
 * Splits a stock among the holders of a simulated federation. Every record lands in exactly one holder's train or test part; the same records, in any order, and the
 * same spec give the same holders. Throws InvalidInputError for overlapping or mixed regions, a record outside all regions, and parameters out of range.
 */
export function partitionStock(records: readonly BuildingRecord[], spec: PartitionSpec): Holder[] {
  checkSpec(spec);
  const random = new SeededRandom(spec.seed);
  const keyed = records.map((record) => ({ record, key: JSON.stringify([record.dataPartner, record.id]) }));
  const ordered = keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ record }) => record);
  return recordsByRegion(ordered, spec, random).flatMap(({ region, members }) => {
    const holdings =
      spec.kind === 'dirichlet' ? dirichletHoldings(region, members, spec, random) : naturalHoldings(members);
    return holdings.map(({ id, held }) => {
      const shuffled = random.shuffle(held);
      const testCount = Math.round(held.length * spec.testShare);
      return { id, region, train: shuffled.slice(testCount), test: shuffled.slice(0, testCount) };
    });
  });
}

function checkSpec(spec: PartitionSpec): void {
  const refuse = (what: string, value: number, expected: string) => {
    throw new InvalidInputError(`${what} of the partition is ${value}; it must be ${expected}`);
  };
  if (!(spec.testShare >= 0 && spec.testShare < 1)) refuse('testShare', spec.testShare, 'in [0, 1)');
  if (!Number.isSafeInteger(spec.seed)) refuse('seed', spec.seed, 'an integer');
  if (spec.kind === 'dirichlet') {
    if (!(spec.alpha > 0 && spec.alpha < Infinity)) refuse('alpha', spec.alpha, 'positive');
    for (const name of ['clientsPerRegion', 'targetQuantiles'] as const) {
      if (!(Number.isSafeInteger(spec[name]) && spec[name] > 0)) refuse(name, spec[name], 'a positive integer');
    }
  }
  checkRegions(spec.regions);
  if (spec.kind === 'natural' && spec.regions[0]?.countries === 'any') {
    throw new InvalidInputError('a natural partition is by country: every region must list its countries, not "any"');
  }
}

/** Refuses regions that are empty, share a name or a country (naming both regions), or mix `any` with lists of countries. Throws InvalidInputError. */
export function checkRegions(regions: readonly PartitionRegion[]): void {
  if (regions.length === 0) throw new InvalidInputError('a federation needs at least one region');
  const regionOf = new Map<string, string>();
  const names = new Set<string>();
  for (const { name, countries } of regions) {
    if (names.has(name)) throw new InvalidInputError(`two regions are named "${name}"`);
    names.add(name);
    if ((countries === 'any') !== (regions[0]?.countries === 'any')) {
      throw new InvalidInputError(`region "${name}": either every region lists countries or every region takes "any"`);
    }
    for (const country of countries === 'any' ? [] : countries) {
      const other = regionOf.get(country);
      if (other !== undefined) {
        throw new InvalidInputError(
          `country ${country} is in two regions, "${other}" and "${name}"; regions must not overlap`,
        );
      }
      regionOf.set(country, name);
    }
  }
}

interface RegionMembers {
  readonly region: string;
  readonly members: BuildingRecord[];
}

/** Regions of countries take their countries' records; regions of `any` take equal shares of the shuffled stock. */
function recordsByRegion(
  records: readonly BuildingRecord[],
  spec: PartitionSpec,
  random: SeededRandom,
): RegionMembers[] {
  const { regions } = spec;
  if (regions[0]?.countries === 'any') {
    const shuffled = random.shuffle(records);
    return regions.map(({ name }, r) => ({
      region: name,
      members: shuffled.filter((_, i) => i % regions.length === r),
    }));
  }
  const byRegion = regions.map(({ name, countries }) => ({
    region: name,
    members: records.filter((record) => countries.includes(countryOf(record) ?? '')),
  }));
  const covered = new Set(byRegion.flatMap(({ members }) => members));
  const outside = records.filter((record) => !covered.has(record)).map((record) => countryOf(record) ?? 'no country');
  if (outside.length > 0) {
    const found = [...new Set(outside)].join(', ');
    throw new InvalidInputError(
      `${outside.length} record(s) lie in no region of the plan (${found}); add a region for them`,
    );
  }
  return byRegion;
}

interface Holding {
  readonly id: string;
  readonly held: BuildingRecord[];
}

function dirichletHoldings(
  region: string,
  members: readonly BuildingRecord[],
  spec: DirichletPartition,
  random: SeededRandom,
): Holding[] {
  const holdings = Array.from({ length: spec.clientsPerRegion }, (_, k) => ({
    id: `${region}-${String(k + 1).padStart(2, '0')}`,
    held: [] as BuildingRecord[],
  }));
  // A stable sort: ties keep the order by id.
  const sorted = members.toSorted((a, b) => outcomeOf(a, spec.outcome) - outcomeOf(b, spec.outcome));
  for (let q = 0; q < spec.targetQuantiles; q++) {
    const limit = (k: number) => Math.round((k * sorted.length) / spec.targetQuantiles);
    const group = random.shuffle(sorted.slice(limit(q), limit(q + 1)));
    let share = 0;
    let start = 0;
    for (const [k, part] of random.dirichlet(spec.clientsPerRegion, spec.alpha).entries()) {
      share += part;
      // The last client takes what rounding leaves.
      const end = k === spec.clientsPerRegion - 1 ? group.length : Math.round(share * group.length);
      holdings[k]?.held.push(...group.slice(start, end));
      start = end;
    }
  }
  return holdings;
}

function naturalHoldings(members: readonly BuildingRecord[]): Holding[] {
  const byId = new Map<string, BuildingRecord[]>();
  for (const record of members) {
    const partner = termOf(record.dataPartner ?? '') ?? 'unnamed';
    const id = `${partner}-${countryOf(record)?.toLowerCase() ?? ''}`;
    byId.set(id, [...(byId.get(id) ?? []), record]);
  }
  return [...byId].map(([id, held]) => ({ id, held }));
}
