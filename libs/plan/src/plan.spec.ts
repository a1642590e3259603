import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { PlanFile } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { analyticGaussianMu, epsilonOf, muSquaredOf } from '@fedcarbon/privacy';
import { parse } from 'yaml';
import { type Enrolment, parsePlanFile, planHash, resolvePlan } from './index.ts';

const federations = join(import.meta.dirname, '../../../federations');
const read = (name: string): unknown => parse(readFileSync(join(federations, name), 'utf8'));
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest();
const publicKey = 'A'.repeat(43);

function enrol(file: PlanFile, clients = 5): Enrolment {
  return {
    simulation: true,
    data: { kind: 'simulated', seed: 42 },
    keys: { global: publicKey, accountant: publicKey, checkpoint: publicKey },
    operatorKey: publicKey,
    regions: file.regions.map(({ name }) => ({
      name,
      publicKey,
      members: Array.from({ length: clients }, (_, k) => ({
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
    const { epsilon } = epsilonOf(all, plan.privacy.delta);
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
    expect(planHash(resolvePlan(file, enrol(file, 6)), sha256)).not.toBe(hash);
    expect(planHash(resolvePlan({ ...file, name: 'other' }, enrol(file)), sha256)).not.toBe(hash);
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

describe('a plan file is refused, naming the place, with', () => {
  const good = read('ecebd-20.yaml') as Record<string, Record<string, unknown>>;
  const withPrivacy = (change: object) => ({ ...good, privacy: { ...good['privacy'], ...change } });
  const withStock = (change: object) => ({ ...good, stock: { ...good['stock'], ...change } });
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
    ['distributed trust', { ...good, trust: 'distributed' }, /trust: .*not available yet/],
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
