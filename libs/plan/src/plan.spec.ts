import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { PlanFile } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { analyticGaussianMu, deltaOf, epsilonOf, muSquaredOf } from '@fedcarbon/privacy';
import { parse } from 'yaml';
import { type Enrolment, parsePlanFile, planHash, planNoise, resolvePlan, trustAssumption } from './index.ts';

const federations = join(import.meta.dirname, '../../../federations');
const read = (name: string): unknown => parse(readFileSync(join(federations, name), 'utf8'));
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest();
const publicKey = 'A'.repeat(43);
const helper = { publicKey: 'B'.repeat(43), sealingKey: 'C'.repeat(43) };

/** As many members as the example plans count on: 5 in each region, or 9 where the holders are those that exist. */
function enrol(file: PlanFile, clients = 5): Enrolment {
  const count = (region: number) => (file.partition.kind === 'natural' ? (region === 0 ? 3 : 2) : clients);
  return {
    simulation: true,
    data: { kind: 'simulated', seed: 42 },
    keys: { global: publicKey, accountant: publicKey, checkpoint: publicKey },
    operatorKey: publicKey,
    helper,
    regions: file.regions.map(({ name }, r) => ({
      name,
      publicKey,
      members: Array.from({ length: count(r) }, (_, k) => ({
        holder: `${name}-${String(k + 1)}`,
        dataset: 'stock',
        publicKey,
      })),
    })),
  };
}

describe('the plans in federations/', () => {
  it.each(readdirSync(federations))('%s is valid, and all that it allows costs at most its epsilon', (name) => {
    const file = parsePlanFile(read(name), name);
    const plan = resolvePlan(file, enrol(file));
    const { rounds, spareRounds, event } = plan.recipe;
    const all = [{ ...event, steps: rounds + spareRounds }, plan.benchmarks.event];
    const { secureSum } = plan.privacy;
    const { epsilon } = epsilonOf(all, plan.privacy.delta - (secureSum?.noiseDistanceDelta ?? 0));
    expect(epsilon).toBeLessThanOrEqual(plan.privacy.epsilon);
    expect(epsilon).toBeGreaterThan(0.995 * plan.privacy.epsilon);
    const { model } = plan.privacy.budgetShares;
    expect(muSquaredOf(all.slice(0, 1)) / muSquaredOf(all)).toBeCloseTo(model, 3);
    expect(muSquaredOf(all)).toBeCloseTo(analyticGaussianMu(plan.privacy.epsilon, plan.privacy.delta) ** 2, 2);
  });

  it('have a hash that changes with any public fact and with nothing else', () => {
    const file = parsePlanFile(read('ecebd-20.yaml'), 'plan');
    const hash = planHash(resolvePlan(file, enrol(file)), sha256);
    expect(planHash(resolvePlan(file, enrol(file)), sha256)).toBe(hash);
    expect(planHash(resolvePlan({ ...file, description: 'other words' }, enrol(file)), sha256)).toBe(hash);
    expect(planHash(resolvePlan(file, enrol(file, 4)), sha256)).not.toBe(hash);
    expect(planHash(resolvePlan({ ...file, name: 'other' }, enrol(file)), sha256)).not.toBe(hash);
  });

  it('count all records in the histograms that the file lists, and pay for each', () => {
    const file = parsePlanFile(read('ecebd-20.yaml'), 'plan');
    const { wholeEdges = [], margins } = file.benchmarks;
    const edges = [2, 12, 22];
    const { layout, event } = resolvePlan(
      { ...file, benchmarks: { ...file.benchmarks, edges } },
      enrol(file),
    ).benchmarks;
    expect(layout.margins.map(({ name, histograms }) => ({ name, histograms }))).toEqual(
      margins.map((name) => ({ name, histograms: name === 'all' ? wholeEdges : [edges] })),
    );
    expect(event.sensitivitySquared).toBe(wholeEdges.length + margins.length - 1);
  });

  it('adds noise for the rounds that are run', () => {
    const few = parsePlanFile(read('ecebd-20.yaml'), 'plan', { rounds: 5 });
    const many = parsePlanFile(read('ecebd-20.yaml'), 'plan');
    expect(few.recipe.rounds).toBe(5);
    const [a, b] = [resolvePlan(few, enrol(few)), resolvePlan(many, enrol(many))];
    // 7 and 27 paid-for rounds share the same mu^2.
    expect(b.recipe.event.sigmaSquared / a.recipe.event.sigmaSquared).toBeCloseTo(27 / 7, 2);
  });
});

describe('noise shares', () => {
  const file = parsePlanFile(read('ecebd-20.yaml'), 'plan');
  const local = parsePlanFile(read('ecebd-20-local.yaml'), 'plan');
  const withSecureSum = (minSurvivors: number, maxColluding = 0): PlanFile => ({
    ...file,
    secureSum: { protocol: 'double-masking', minSurvivors, maxColluding },
    round: { ...file.round, quorum: 20 },
  });

  it('of the fewest honest survivors add up to exactly what is charged, which is what one holder adds under local trust', () => {
    for (const [minSurvivors, maxColluding] of [
      [14, 0],
      [14, 5],
      [20, 19],
    ] as const) {
      const { privacy, recipe, benchmarks } = resolvePlan(withSecureSum(minSurvivors, maxColluding), enrol(file));
      const alone = resolvePlan({ ...local, benchmarks: file.benchmarks }, enrol(local));
      const honest = minSurvivors - maxColluding;
      expect(honest * (privacy.secureSum?.shareSigmaSquared.model ?? NaN)).toBe(recipe.event.sigmaSquared);
      expect(honest * (privacy.secureSum?.shareSigmaSquared.benchmarks ?? NaN)).toBe(benchmarks.event.sigmaSquared);
      // Rounding a share up to the next 1/64 adds at most honest / 64.
      for (const [charged, whole] of [
        [recipe.event.sigmaSquared, alone.recipe.event.sigmaSquared],
        [benchmarks.event.sigmaSquared, alone.benchmarks.event.sigmaSquared],
      ] as const) {
        expect(charged).toBeGreaterThanOrEqual(whole);
        expect(charged).toBeLessThan(whole + honest / 64);
      }
    }
  });

  it('are small enough for the secure sum to pay: larger steps, narrower integers', () => {
    const [a, b] = [resolvePlan(file, enrol(file)), resolvePlan(local, enrol(local))];
    // The noise in a sum of all falls by the square root of the honest survivors.
    const { minSurvivors = 0, maxColluding = 0 } = file.secureSum ?? {};
    expect(minSurvivors - maxColluding).toBeGreaterThan(1);
    expect(a.recipe.stepSize / b.recipe.stepSize).toBeCloseTo(Math.sqrt(minSurvivors - maxColluding), 3);
    expect(a.recipe.bits).toBeLessThan(b.recipe.bits);
  });

  it('take their distance from a discrete Gaussian off delta', () => {
    const request = {
      ...{ epsilon: 3.5, delta: 1e-5 },
      parts: {
        model: { share: 0.8, sensitivitySquared: 6, steps: 20 },
        benchmarks: { share: 0.2, sensitivitySquared: 2, steps: 1 },
      },
    };
    const secureSum = { protocol: 'double-masking', minSurvivors: 7, maxColluding: 0 } as const;
    const { eventSigmaSquared, shareSigmaSquared, shares } = planNoise(request, secureSum, 9);
    // Shares as small as these are seen.
    expect(shareSigmaSquared.benchmarks).toBeLessThan(3);
    const { noiseDistanceDelta = NaN } = shares ?? {};
    expect(noiseDistanceDelta).toBeGreaterThan(1e-8);
    const events = (['model', 'benchmarks'] as const).map((purpose) => ({
      kind: 'discreteGaussian' as const,
      sigmaSquared: eventSigmaSquared[purpose],
      ...{ sensitivitySquared: request.parts[purpose].sensitivitySquared, steps: request.parts[purpose].steps },
    }));
    expect(deltaOf(events, 3.5).delta + noiseDistanceDelta).toBeLessThanOrEqual(1e-5);
    expect(() => planNoise({ ...request, epsilon: 8 }, secureSum, 9)).toThrow(/privacy\.delta: 0\.00001 does not pay/);
  });

  it('are refused for sums that could be opened in two ways', () => {
    const members = enrol(file);
    expect(() => resolvePlan(withSecureSum(13), members)).toThrow(
      /minSurvivors: must be 14 to 20 for 20 members, found 13/,
    );
    expect(() => resolvePlan(withSecureSum(21), members)).toThrow(/must be 14 to 20/);
  });

  it('are the same with two servers, which allow fewer survivors, and need a helper of its own', () => {
    const two = (minSurvivors: number): PlanFile => ({
      ...withSecureSum(minSurvivors),
      secureSum: { protocol: 'two-servers', minSurvivors, maxColluding: 1 },
    });
    const [a, b] = [two(14), withSecureSum(14, 1)].map((plan) => resolvePlan(plan, enrol(file)));
    expect(a?.privacy.secureSum).toEqual({ ...b?.privacy.secureSum, protocol: 'two-servers', helper });
    expect([a?.recipe, a?.benchmarks]).toEqual([b?.recipe, b?.benchmarks]);
    expect(resolvePlan(two(8), enrol(file)).privacy.secureSum?.minSurvivors).toBe(8);
    expect(() => resolvePlan(two(1), enrol(file))).toThrow(/minSurvivors: must be 2 to 20 .*, found 1/);
    for (const none of [undefined, { ...helper, publicKey }]) {
      expect(() => resolvePlan(two(14), { ...enrol(file), helper: none })).toThrow(
        /needs a helper with keys of its own/,
      );
    }
    expect(trustAssumption(resolvePlan(two(14), enrol(file)))).toMatch(
      /^At least 13 honest holders .* the two servers do not collude: sum-helper on one side, [^.]*\.$/,
    );
  });

  it('have an assumption that can be said in one sentence', () => {
    expect(trustAssumption(resolvePlan(withSecureSum(14, 3), enrol(file)))).toMatch(
      /^At least 11 honest holders .*[^.]\.$/,
    );
    expect(trustAssumption(resolvePlan(local, enrol(local)))).toMatch(/^Every holder adds the full noise itself/);
  });
});

describe('a plan file is refused, naming the place, with', () => {
  const good = read('ecebd-20-local.yaml') as Record<string, Record<string, unknown>>;
  const withPrivacy = (change: object) => ({ ...good, privacy: { ...good['privacy'], ...change } });
  const withStock = (change: object) => ({ ...good, stock: { ...good['stock'], ...change } });
  const masked = read('ecebd-20.yaml') as Record<string, Record<string, unknown>>;
  const withSecureSum = (change: object) => ({ ...masked, secureSum: { ...masked['secureSum'], ...change } });
  const region = (name: string, ...countries: string[]) => ({ name, countries, clients: 5 });
  const cases: [string, unknown, RegExp][] = [
    ['an unknown key', { ...good, speling: 1 }, /speling/],
    ['an unknown nested key', withPrivacy({ epsylon: 2 }), /privacy.*epsylon/],
    ['a negative epsilon', withPrivacy({ epsilon: -1 }), /privacy\.epsilon: must be above 0/],
    ['delta = 1/N', withPrivacy({ delta: 1 / 640 }), /privacy\.delta: .* not below 1\/N/],
    ['shares above 1', withPrivacy({ budgetShares: { model: 0.8, benchmarks: 0.3 } }), /budgetShares.*1\.1/],
    [
      'a feature that does not exist',
      withStock({ features: ['country', 'colour'] }),
      /stock\.features: unknown "colour"/,
    ],
    [
      'an outcome as a feature',
      withStock({ features: ['GHG_sum_em_m2a_harm'] }),
      /stock\.features: unknown "GHG_sum_em_m2a_harm"/,
    ],
    ['bins that do not exist', withStock({ featureSchema: 'ecebd/v9' }), /stock\.featureSchema: unknown "ecebd\/v9"/],
    ['a target of another data set', withStock({ target: 'heating-load' }), /stock\.target: unknown "heating-load"/],
    [
      'a margin that does not exist',
      { ...good, benchmarks: { margins: ['all', 'roof'] } },
      /benchmarks\.margins: unknown "roof"/,
    ],
    [
      'overlapping regions',
      { ...good, regions: [region('a', 'FR', 'BE'), region('b', 'BE')], round: { quorum: 9 } },
      /BE.*"a".*"b"/,
    ],
    [
      'two regions of one name',
      { ...good, regions: [region('a', 'FR'), region('a', 'BE')], round: { quorum: 9 } },
      /"a"/,
    ],
    ['a quorum above the clients', { ...good, round: { quorum: 21 } }, /round\.quorum: 21 is more than the 20/],
    ['distributed trust without a secure sum', { ...good, trust: 'distributed' }, /secureSum: .*needs it/],
    ['a secure sum that nobody asked for', { ...good, secureSum: masked['secureSum'] }, /secureSum: trust "local"/],
    ['an unknown protocol', withSecureSum({ protocol: 'three-servers' }), /secureSum\.protocol/],
    [
      'only colluders',
      withSecureSum({ maxColluding: 14 }),
      /secureSum\.maxColluding: must be below minSurvivors \(14\)/,
    ],
    ['survivors above the quorum', withSecureSum({ minSurvivors: 15 }), /round\.quorum: 14 is below .*\(15\)/],
    [
      'a choice of clients under a secure sum',
      { ...masked, round: { ...masked['round'], clientsPerRegion: 4 } },
      /round\.clientsPerRegion: must be null/,
    ],
    ['no trust', { ...good, trust: 'none' }, /trust: "none"/],
    ['a range upside down', withStock({ yRange: [22, 2] }), /stock\.yRange/],
    ['another version', { ...good, version: 2 }, /version/],
  ];
  it.each(cases)('%s', (_what, value, message) => {
    expect(() => parsePlanFile(value, 'federations/x.yaml')).toThrow(message);
    expect(() => parsePlanFile(value, 'federations/x.yaml')).toThrow(InvalidInputError);
    expect(() => parsePlanFile(value, 'federations/x.yaml')).toThrow(/federations\/x\.yaml/);
  });
});
