// `npm run study:benchmarks [-- --plan NAME] [--draws N] [--share S] [--method M] [--estimate E] [--segment MARGIN=GROUP] [--outcomes O]`: how far released percentiles
// lie from the empirical ones, and how often their intervals cover them, over N noise draws. The empirical figures are known here only because a simulation
// holds all records.
import { estimatePercentiles, OTHER_GROUP, outcomeRange, reconcile } from '@fedcarbon/benchmark';
import { noiseSdOfSum } from '@fedcarbon/round';
import { SeededRandom, simulateStock } from '@fedcarbon/stock';
import { parseArgs } from 'node:util';
import { loadFederation, quantile, releaseOnce, summary } from './federation.mjs';

// Steps of 100 kgCO2e/m2 over 50 years, wider at the ends.
const EDGES = [2, 6, 8, 10, 12, 14, 16, 18, 22];
const PAIRS = [2, 8, 12, 16, 22];
/** Other histograms of all ECEBD records than the plan's. */
const METHODS = {
  flat: [EDGES],
  // Hay et al. 2010 with b = 2.
  'tree of two levels': [EDGES, PAIRS],
  tree: [EDGES, PAIRS, [2, 12, 22]],
  // The records below and above each edge: cumulative counts.
  prefix: EDGES.slice(1, -1).map((edge) => [2, edge, 22]),
};
/** Three types of building; most are of the second. */
const TYPES = [{ mean: 8, sd: 1.2 }, ...Array(3).fill({ mean: 12, sd: 1.6 }), { mean: 16, sd: 2 }];
/** Stocks to choose a method on, so that it can be reported on the plan's own: other outcomes for its records, at seven places in the range. */
const OUTCOMES = {
  lognormal: (count, random) => Array.from({ length: count }, () => 11.5 * random.lognormal(0.3)),
  mixture: (count, random) =>
    Array.from({ length: count }, (_, i) => TYPES[i % 5].mean + TYPES[i % 5].sd * random.normal()),
  simulated: (records) =>
    simulateStock({ records, seed: 42 }).map(({ outcomes }) => outcomes.embodiedCarbonKgCo2ePerM2PerYear),
};
const MOVES = [-1.5, -1, -0.5, 0, 0.5, 1, 1.5];

/** Largest relative error that 95 of 100 draws should keep to, for p10 to p90 of all records under distributed noise. */
const GOALS = [0.15, 0.12, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.1];

const { values: options } = parseArgs({
  options: {
    plan: { type: 'string', default: 'ecebd-20' },
    draws: { type: 'string', default: '200' },
    share: { type: 'string' },
    method: { type: 'string' },
    estimate: { type: 'string', default: 'posterior' },
    segment: { type: 'string' },
    outcomes: { type: 'string' },
  },
});
/** What an option names; undefined without the option. */
function chosen(choices, option) {
  const name = options[option];
  if (name === undefined || Object.hasOwn(choices, name)) return choices[name];
  throw new Error(`--${option}: there are ${Object.keys(choices).join(', ')}; found "${name}"`);
}
const draws = Number(options.draws);
const federation = await loadFederation(options.plan, {
  benchmarksShare: options.share && Number(options.share),
  wholeEdges: chosen(METHODS, 'method'),
});
const { plan, holders, stock } = federation;
const { layout, nominalRecords, confidence, maxRelativeHalfWidth } = plan.benchmarks;
const noiseSd = noiseSdOfSum(plan, 'benchmarks', holders.length);
const whole = layout.margins.find(({ groups }) => groups.length === 1);
const [margin, group] = options.segment?.split('=') ?? [whole.name, whole.groups[0]];
const segment = { margin, group };
const others = chosen(OUTCOMES, 'outcomes')?.(federation.rows.flat().length, new SeededRandom(1));

/** The records of all holders in one draw. */
function rowsOf(draw) {
  if (others === undefined) return federation.rows;
  let i = 0;
  return federation.rows.map((held) => held.map((row) => ({ ...row, y: others[i++] + MOVES[draw % MOVES.length] })));
}

/** The segment's outcomes, ascending, at the range's end if beyond it. */
function valuesOf(rows) {
  const [lo, hi] = outcomeRange(layout);
  return rows
    .flat()
    .filter(({ groups }) => margin === whole.name || (groups[margin] ?? OTHER_GROUP) === group)
    .map(({ y }) => Math.min(hi, Math.max(lo, y)))
    .toSorted((a, b) => a - b);
}

/** Linear interpolation in the cumulative counts of one histogram, made monotone by least squares (pool adjacent violators). No intervals. */
function interpolate(noisyCounts) {
  const { edges, counts } = reconcile(layout, noisyCounts, noiseSd, segment).histograms[0];
  let sum = 0;
  const blocks = [];
  for (const count of counts) {
    blocks.push({ mean: (sum += count), size: 1 });
    for (let [a, b] = blocks.slice(-2); b !== undefined && a.mean > b.mean; [a, b] = blocks.slice(-2)) {
      const size = a.size + b.size;
      blocks.splice(-2, 2, { mean: (a.mean * a.size + b.mean * b.size) / size, size });
    }
  }
  const below = [0, ...blocks.flatMap(({ mean, size }) => Array(size).fill(Math.max(0, mean)))];
  return GOALS.map((_, i) => {
    const level = (i + 1) / 10;
    const bin = below.findIndex((count) => count >= level * below.at(-1)) - 1;
    const share = (level * below.at(-1) - below[bin]) / (below[bin + 1] - below[bin]);
    return { level, value: edges[bin] + share * (edges[bin + 1] - edges[bin]) };
  });
}

const estimate = chosen(
  {
    posterior: (noisyCounts) =>
      estimatePercentiles({
        ...{ layout, noisyCounts, noiseSd, nominalRecords, segment, confidence, maxRelativeHalfWidth },
      }).percentiles,
    interpolation: interpolate,
  },
  'estimate',
);

console.log(`${options.plan}: ${options.outcomes ? `outcomes ${options.outcomes}` : stock.provenance}`);
console.log(
  `${margin} = ${group}: ${valuesOf(federation.rows).length} records, noise sd ${noiseSd.toFixed(1)} a cell, ${draws} draws, ${confidence * 100} % intervals`,
);
const tallies = new Map();
for (let draw = 0; draw < draws; draw++) {
  const rows = rowsOf(draw);
  const values = valuesOf(rows);
  for (const { level, value, low, high, status } of estimate(releaseOnce({ plan, rows }))) {
    const truth = quantile(values, level);
    const tally = tallies.get(level) ?? { truth: 0, ok: 0, covered: 0, errors: [] };
    tallies.set(level, tally);
    tally.truth += truth / draws;
    tally.errors.push(value / truth - 1);
    tally.ok += status === undefined ? NaN : Number(status === 'ok');
    tally.covered += low === undefined ? NaN : Number(low <= truth && truth <= high);
  }
}
const percent = (share) => (Number.isNaN(share) ? '-' : `${(100 * share).toFixed(1)} %`).padStart(7);
console.log(
  'level  empirical   ok      covered  within 15 %  within goal    mean error     sd     95th percentile of the error',
);
[...tallies].forEach(([level, { truth, ok, covered, errors }], i) => {
  const sizes = errors.map(Math.abs).toSorted((a, b) => a - b);
  const within = (bound) => percent(sizes.filter((size) => size <= bound).length / draws);
  const { mean, sd } = summary(errors);
  console.log(
    `p${Math.round(level * 100)}    ${truth.toFixed(2).padStart(6)}   ${percent(ok / draws)}  ${percent(covered / draws)}  ${within(0.15)}  ${within(GOALS[i])} of ${percent(GOALS[i])}  ${percent(mean)}  ${percent(sd)}  ${percent(quantile(sizes, 0.95))}`,
  );
});
