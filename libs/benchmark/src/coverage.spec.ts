import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { HistogramLayout, HistogramRow, PercentileEstimate, Segment } from './index.ts';
import { countRecords, DECILES, ecebdLayout, estimatePercentiles, sensitivitySquared } from './index.ts';

// Simulations of releases at epsilon 1, delta 1e-5 with a fifth of mu^2 for benchmarks: one holder's noise per cell has standard deviation
// 3.7306 / sqrt(0.2) for each unit of L2 sensitivity, which is 2 with four margins. Under local trust K = 20 holders add that much each. Noise here is
// rounded Gaussian from a seed.
const UNIT_SD = 3.7306 / Math.sqrt(0.2);
const DISTRIBUTED_SD = 2 * UNIT_SD;
const LOCAL_SD = DISTRIBUTED_SD * Math.sqrt(20);
/** Probability that a check of one level fails although its coverage is exactly as stated. */
const FALSE_ALARM = 1e-3;
const STATED = 0.9;

const flat = ecebdLayout({
  countries: ['France', 'Belgium', 'Denmark', 'Netherlands', 'Finland', 'Germany', 'Austria'],
  subtypes: ['Single family house', 'Multi-family house', 'Row house', 'Semi-detached'],
  structures: [
    'massive brick',
    'frame wood',
    'massive concrete',
    'frame concrete',
    'massive wood',
    'frame concrete/wood',
  ],
});
/** All records in three histograms of shifted bins: the plan ecebd-20. */
const shifted: HistogramLayout = {
  margins: flat.margins.map((margin) => ({
    ...margin,
    histograms:
      margin.name === 'all'
        ? [
            [2, 5, 8, 11, 14, 17, 22],
            [2, 6, 9, 12, 15, 18, 22],
            [2, 7, 10, 13, 16, 19, 22],
          ]
        : margin.histograms,
  })),
};
/** Of the sum of 20 holders' shares, 13 of which add up to the noise of `shifted`. */
const SHARES_SD = Math.sqrt((sensitivitySquared(shifted) * 20) / 13) * UNIT_SD;
const all: Segment = { margin: 'all', group: 'all' };

describe('intervals over noise draws, synthetic stocks of 640 records', () => {
  const gaussian = gaussianFrom(1);
  const stock = (draw: (i: number) => number): HistogramRow[] =>
    Array.from({ length: 640 }, (_, i) => ({ y: draw(i), groups: { country: i % 8 < 5 ? 'France' : 'Belgium' } }));
  const stocks = {
    normal: stock(() => 12 + 3 * gaussian()),
    lognormal: stock(() => 9 * Math.exp(0.4 * gaussian())),
    bimodal: stock((i) => (i % 2 === 0 ? 7 + 1.2 * gaussian() : 15.5 + 1.5 * gaussian())),
    narrow: stock(() => 9 + gaussian()),
  };
  const cases = Object.entries(stocks).flatMap(([shape, rows]) =>
    [LOCAL_SD, DISTRIBUTED_SD].map((noiseSd) => ({
      shape,
      rows,
      noiseSd,
      trust: noiseSd === LOCAL_SD ? 'local' : 'distributed',
    })),
  );

  it.each(cases)(
    'cover every decile at the stated level at least: $shape, $trust noise',
    ({ rows, noiseSd }) => {
      expectStatedCoverage(simulate(rows, noiseSd, all, 40, 2));
    },
    120_000,
  );

  it('cover for a part of the stock as well: 400 of 640 records, local noise', () => {
    expectStatedCoverage(simulate(stocks.normal, LOCAL_SD, { margin: 'country', group: 'France' }, 40, 3));
  }, 120_000);

  it.each(Object.entries(stocks))(
    'cover with shifted histograms as well: %s, noise shares',
    (_, rows) => {
      expectStatedCoverage(simulate(rows, SHARES_SD, all, 40, 8, 640, shifted));
    },
    120_000,
  );

  it('cover when the plan overstates the number of records by a quarter: local noise', () => {
    expectStatedCoverage(simulate(stocks.normal, LOCAL_SD, all, 40, 4, 800));
  }, 120_000);

  it('answer more with less noise', () => {
    const answered = (noiseSd: number): number =>
      simulate(stocks.lognormal, noiseSd, all, 10, 5)
        .estimates.flat()
        .filter(({ status }) => status === 'ok').length;
    expect(answered(DISTRIBUTED_SD)).toBeGreaterThan(answered(LOCAL_SD));
  }, 120_000);
});

const ecebdFile = new URL('../../../../shared/data/ecebd/EU-ECB_dataset_feature_engineered.csv', import.meta.url);
const onRealData = existsSync(ecebdFile) ? describe : describe.skip;

onRealData('ECEBD residential, 200 draws (skipped without the data folder beside the checkout)', () => {
  it('under local noise answers the median within 15 % in at least 95 of 100 draws, and covers every decile', () => {
    const rows = readEcebd();
    expect(rows).toHaveLength(644);
    const simulation = simulate(rows, LOCAL_SD, all, 200, 6);
    const median = simulation.truth[DECILES.indexOf(0.5)]!;
    const good = simulation.estimates.filter((percentiles) => {
      const { status, value } = percentiles[DECILES.indexOf(0.5)]!;
      return status === 'ok' && Math.abs(value - median) <= 0.15 * median;
    });
    expect(good.length).toBeGreaterThanOrEqual(190);
    expectStatedCoverage(simulation);
  }, 300_000);

  it('under noise shares answers every decile within its goal in at least 95 of 100 draws, and covers it', () => {
    const simulation = simulate(readEcebd(), SHARES_SD, all, 200, 7, 640, shifted);
    const goals = [0.15, 0.12, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.1];
    const good = simulation.truth.map(
      (truth, i) =>
        simulation.estimates.filter((percentiles) => Math.abs(percentiles[i]!.value / truth - 1) <= goals[i]!).length,
    );
    expect(Math.min(...good)).toBeGreaterThanOrEqual(190);
    expectStatedCoverage(simulation);
  }, 300_000);
});

interface Simulation {
  /** The exact percentiles of the records, outcomes clamped to the range. */
  readonly truth: readonly number[];
  /** For each draw, the estimates of all deciles. */
  readonly estimates: readonly (readonly PercentileEstimate[])[];
}

function simulate(
  rows: readonly HistogramRow[],
  noiseSd: number,
  segment: Segment,
  draws: number,
  seed: number,
  nominalRecords = rows.length,
  layout = flat,
): Simulation {
  const own = rows.filter(({ groups }) => segment.margin === 'all' || groups[segment.margin] === segment.group);
  const sorted = own.map(({ y }) => Math.min(22, Math.max(2, y))).sort((a, b) => a - b);
  const exact = countRecords(layout, rows);
  const gaussian = gaussianFrom(seed);
  const estimates = Array.from({ length: draws }, () => {
    const noisyCounts = Array.from(exact, (count) => count + Math.round(noiseSd * gaussian()));
    return estimatePercentiles({ layout, noisyCounts, noiseSd, nominalRecords, segment }).percentiles;
  });
  return { truth: DECILES.map((level) => sorted[Math.ceil(level * sorted.length - 1e-9) - 1]!), estimates };
}

function expectStatedCoverage({ truth, estimates }: Simulation): void {
  const covered = truth.map(
    (value, i) =>
      estimates.filter((percentiles) => percentiles[i]!.low <= value && value <= percentiles[i]!.high).length,
  );
  expect(Math.min(...covered)).toBeGreaterThanOrEqual(fewestPlausible(estimates.length));
}

/** The largest c with P(Binomial(n, STATED) < c) <= FALSE_ALARM. */
function fewestPlausible(n: number): number {
  let probability = (1 - STATED) ** n;
  let below = 0;
  let c = 0;
  while (below + probability <= FALSE_ALARM) {
    below += probability;
    probability *= ((n - c) / (c + 1)) * (STATED / (1 - STATED));
    c++;
  }
  return c;
}

function gaussianFrom(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    // Weyl sequence through the 32-bit finalizer of MurmurHash3.
    state = (state + 0x9e3779b9) | 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (((x ^ (x >>> 16)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

function readEcebd(): HistogramRow[] {
  const [header, ...lines] = readFileSync(ecebdFile, 'utf8').split(/\r?\n(?=(?:[^"]*"[^"]*")*[^"]*$)/);
  const cellsOf = (line: string): string[] =>
    Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), (match) => match[1] ?? match[2] ?? '');
  const names = cellsOf(header!.replace(/^\uFEFF/, ''));
  const column = (cells: string[], name: string): string => cells[names.indexOf(name)] ?? '';
  return lines
    .map(cellsOf)
    .filter(
      (cells) => column(cells, 'bldg_use_type') === 'Residential' && Number(column(cells, 'GHG_sum_em_m2a_harm')) > 0.1,
    )
    .map((cells) => ({
      y: Number(column(cells, 'GHG_sum_em_m2a_harm')),
      groups: {
        country: column(cells, 'site_country'),
        subtype: column(cells, 'bldg_use_subtype'),
        structure: column(cells, 'bldg_struct_type'),
      },
    }));
}
