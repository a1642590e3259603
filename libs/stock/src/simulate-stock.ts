import { InvalidInputError } from '@fedcarbon/kernel';
import type { BuildingAttributes, EmbodiedCarbonRecord } from './building-record.ts';
import { SeededRandom } from './seeded-random.ts';

/**
 * Emission factors of the product stage (A1-A3) in kgCO2e per kg, without biogenic carbon. Rounded from the Inventory of Carbon and Energy (ICE, Circular Ecology, v3.0 2019;
 * values marked v2 from v2.0, Hammond and Jones 2011), which agree with Ökobaudat in order of magnitude. `term` is the name in the record's vocabulary.
 */
const MATERIALS = {
  concrete: { factor: 0.12, term: 'concrete-without-reinforcement' }, // general and 25/30 concrete: 0.10 to 0.13
  rebar: { factor: 1.99, term: 'metals' }, // reinforcement, world average
  steel: { factor: 1.55, term: 'metals' }, // open section
  brick: { factor: 0.213, term: 'ceramics' }, // common clay brick
  mortar: { factor: 0.2, term: 'cement-mortar' }, // 1:4 to 1:3 cement and sand
  timber: { factor: 0.26, term: 'timber-wood' }, // sawn softwood
  massTimber: { factor: 0.44, term: 'timber-wood' }, // cross-laminated
  mineralWool: { factor: 1.28, term: 'stone-wool' },
  polystyrene: { factor: 3.3, term: 'eps-xps' }, // v2
  plasterboard: { factor: 0.39, term: 'other' }, // v2
  glass: { factor: 1.44, term: 'glass' },
  aluminium: { factor: 6.67, term: 'aluminium' }, // European mix
  tiles: { factor: 0.78, term: 'ceramics' }, // v2
} as const;
type Material = keyof typeof MATERIALS;
const MATERIAL_NAMES = Object.keys(MATERIALS) as Material[];

/**
 * Median quantities of structure and foundation in kg per m2 of gross floor area, by structure type. Set by hand to the orders of magnitude in the open material-intensity
 * database of Heeren and Fishman 2019 (doi 10.1038/s41597-019-0021-x): concrete 200 to 1,500, brick up to 500, timber 10 to 150, steel 10 to 60.
 */
const STRUCTURES: Readonly<Record<string, Partial<Record<Material, number>>>> = {
  'massive-brick': { concrete: 600, rebar: 16, brick: 380, mortar: 60, timber: 25 },
  'massive-concrete': { concrete: 1250, rebar: 42, brick: 30, timber: 8 },
  'massive-wood': { concrete: 300, rebar: 10, massTimber: 140, timber: 25 },
  'frame-concrete': { concrete: 900, rebar: 38, brick: 90, timber: 8 },
  'frame-concrete-wood': { concrete: 550, rebar: 20, timber: 70 },
  'frame-steel': { concrete: 450, rebar: 14, steel: 55, timber: 10 },
  'frame-wood': { concrete: 220, rebar: 6, timber: 95 },
};

/** Envelope and finishes in kg per m2 of floor area of a compact building (same source); scaled with the exposed surface. */
const ENVELOPE: Partial<Record<Material, number>> = {
  ...{ mineralWool: 11, polystyrene: 2.5, plasterboard: 25 },
  ...{ glass: 6, aluminium: 1.5, tiles: 18 },
};

/** Share of a material that is replaced once within 50 years (EN 15978 module B4; service lives of 25 to 40 years, Level(s) manual 1.2). */
const REPLACED: Partial<Record<Material, number>> = { plasterboard: 0.3, glass: 1, aluminium: 1, tiles: 0.5 };

// kgCO2e per m2, A1-A3, replaced once: order of magnitude of residential services in CIBSE TM65 assessments.
const SERVICES_KG_CO2E_PER_M2 = 45;
// Transport and construction, end of life, as shares of A1-A3: usual defaults of RICS whole life carbon assessments.
const A4_A5_SHARE = 0.12;
const C_SHARE = 0.08;
const REFERENCE_STUDY_PERIOD_YEARS = 50;

/** Share of the stock, assumed ratio of a country's results to a common method (parts and services included differ), and weights of the structures above, in their order. */
const COUNTRIES = {
  FR: { share: 0.67, method: 1.25, structures: [72, 8, 2, 5, 1, 1, 11] },
  BE: { share: 0.16, method: 1.15, structures: [70, 8, 3, 5, 2, 2, 10] },
  DK: { share: 0.06, method: 0.85, structures: [30, 35, 8, 10, 4, 3, 10] },
  NL: { share: 0.05, method: 0.75, structures: [30, 40, 5, 15, 3, 2, 5] },
  FI: { share: 0.04, method: 0.95, structures: [3, 30, 20, 20, 5, 2, 20] },
  DE: { share: 0.01, method: 0.9, structures: [45, 25, 5, 10, 3, 2, 10] },
  AT: { share: 0.01, method: 0.9, structures: [40, 25, 12, 8, 3, 2, 10] },
} as const;

/** Share of the stock, median floor area (m2), exposed surface relative to a compact block, and structure relative to a house (storeys to carry). */
const SUBTYPES = {
  'single-family-house': { share: 0.6, gfaM2: 135, envelope: 1.35, structure: 1 },
  'multi-family-house': { share: 0.3, gfaM2: 1900, envelope: 0.9, structure: 1.12 },
  'row-house': { share: 0.07, gfaM2: 120, envelope: 1.1, structure: 0.95 },
  'semi-detached': { share: 0.03, gfaM2: 130, envelope: 1.2, structure: 0.97 },
} as const;

/** Variation between buildings: standard deviation of the logarithm of a quantity, of a factor (product, plant), and of services. */
const SD_LOG = { quantity: 0.25, factor: 0.15, services: 0.3, gfa: 0.4, gfaPerUser: 0.3 };
const GFA_PER_USER_M2 = 42;
/** How often a fact is not known, as in voluntary data collections. */
const MISSING = { gfaM2: 0.03, userCount: 0.13, structureType: 0.1, mainMaterial: 0.25 };

/**
 * Draws a residential stock for demonstrations and tests without real data: material quantities times emission factors, with lognormal variation, as embodied kgCO2e per m2 and
 * year over 50 years (A1-A5, B4, C). Same record type and bins as EU-ECB-DB; every record says `simulated`. The same arguments give the same stock.
 * No figure computed from it says anything about real buildings. Throws InvalidInputError unless `records` is a positive integer and `seed` an integer.
 */
export function simulateStock({ records, seed }: { records: number; seed: number }): EmbodiedCarbonRecord[] {
  if (!(Number.isSafeInteger(records) && records > 0)) {
    throw new InvalidInputError(`cannot simulate ${records} records; give a positive integer`);
  }
  if (!Number.isSafeInteger(seed)) throw new InvalidInputError(`the seed is ${seed}; give an integer`);
  const random = new SeededRandom(seed);
  return Array.from({ length: records }, (_, i) =>
    simulateBuilding(random, `simulated-${String(i + 1).padStart(4, '0')}`),
  );
}

function simulateBuilding(random: SeededRandom, id: string): EmbodiedCarbonRecord {
  const [country, { method, structures }] = pick(random, COUNTRIES);
  const [useSubtype, subtype] = pick(random, SUBTYPES);
  const structureTypes = Object.keys(STRUCTURES);
  const structureType = structureTypes[random.weighted(structures)] ?? '';
  const gfaM2 = Math.max(40, Math.round(subtype.gfaM2 * random.lognormal(SD_LOG.gfa)));
  const userCount = Math.max(1, Math.round(gfaM2 / (GFA_PER_USER_M2 * random.lognormal(SD_LOG.gfaPerUser))));

  const masses = MATERIAL_NAMES.map((material) => {
    const structural = (STRUCTURES[structureType]?.[material] ?? 0) * subtype.structure;
    const exposed = (ENVELOPE[material] ?? 0) * subtype.envelope;
    return { material, kgPerM2: (structural + exposed) * random.lognormal(SD_LOG.quantity) };
  });
  let productStage = 0;
  let replacement = 0;
  for (const { material, kgPerM2 } of masses) {
    const kgCo2ePerM2 = kgPerM2 * MATERIALS[material].factor * random.lognormal(SD_LOG.factor);
    productStage += kgCo2ePerM2;
    replacement += kgCo2ePerM2 * (REPLACED[material] ?? 0);
  }
  const services = SERVICES_KG_CO2E_PER_M2 * random.lognormal(SD_LOG.services);
  const total = (productStage + services) * (1 + A4_A5_SHARE + C_SHARE) + replacement + services;
  const heaviest = masses.reduce((a, b) => (b.kgPerM2 > a.kgPerM2 ? b : a)).material;

  return {
    dataset: 'ecebd',
    id,
    dataPartner: `Simulated partner ${1 + random.index(2)}`,
    attributes: withGaps(random, {
      country,
      useType: 'residential',
      useSubtype,
      structureType,
      mainMaterial: MATERIALS[heaviest].term,
      gfaM2,
      userCount,
    }),
    outcomes: { embodiedCarbonKgCo2ePerM2PerYear: (total * method) / REFERENCE_STUDY_PERIOD_YEARS },
    scope: {
      lifeCycleModules: ['A1-A3', 'A4', 'A5', 'B4', 'C1', 'C2', 'C3', 'C4'],
      moduleD: 'not-in-scope',
      referenceStudyPeriodYears: REFERENCE_STUDY_PERIOD_YEARS,
      areaDefinition: 'gross floor area (simulated)',
      harmonised: true,
    },
    simulated: true,
  };
}

function pick<T extends { readonly share: number }>(
  random: SeededRandom,
  table: Readonly<Record<string, T>>,
): [string, T] {
  const entries = Object.entries(table);
  const entry = entries[random.weighted(entries.map(([, { share }]) => share))];
  if (entry === undefined) throw new InvalidInputError('the table to pick from is empty');
  return entry;
}

function withGaps(random: SeededRandom, attributes: BuildingAttributes): BuildingAttributes {
  const gaps = Object.entries(MISSING).filter(([, probability]) => random.uniform() < probability);
  return { ...attributes, ...Object.fromEntries(gaps.map(([name]) => [name, null])) };
}
