// `npm run study:benchmarks [-- --plan NAME] [--draws N] [--share S]`: how far released percentiles lie from the empirical ones, and how often their intervals cover
// them, over N noise draws. The empirical figures are known here only because a simulation holds all records.
import { estimatePercentiles } from '@fedcarbon/benchmark';
import { noiseSdOfSum } from '@fedcarbon/round';
import { parseArgs } from 'node:util';
import { loadFederation, quantile, releaseOnce } from './federation.mjs';

const { values: options } = parseArgs({
  options: {
    plan: { type: 'string', default: 'ecebd-20' },
    draws: { type: 'string', default: '200' },
    share: { type: 'string' },
  },
});
const draws = Number(options.draws);
const share = options.share === undefined ? {} : { benchmarksShare: Number(options.share) };
const federation = await loadFederation(options.plan, share);
const { plan, rows, holders, stock } = federation;
const { layout, nominalRecords, confidence, maxRelativeHalfWidth } = plan.benchmarks;
const noiseSd = noiseSdOfSum(plan, 'benchmarks', holders.length);
const [lo, hi] = [layout.edges[0], layout.edges.at(-1)];
const values = rows
  .flat()
  .map(({ y }) => Math.min(hi, Math.max(lo, y)))
  .toSorted((a, b) => a - b);
const whole = layout.margins.find(({ groups }) => groups.length === 1);
const segment = { margin: whole.name, group: whole.groups[0] };

console.log(`${options.plan}: ${stock.provenance}`);
console.log(
  `all ${values.length} records, noise sd ${noiseSd.toFixed(1)} a cell, ${draws} draws, ${confidence * 100} % intervals`,
);
const tallies = new Map();
for (let draw = 0; draw < draws; draw++) {
  const noisyCounts = releaseOnce(federation);
  const { percentiles } = estimatePercentiles({
    layout,
    noisyCounts,
    noiseSd,
    nominalRecords,
    segment,
    confidence,
    maxRelativeHalfWidth,
  });
  for (const { level, value, low, high, status } of percentiles) {
    const truth = quantile(values, level);
    const tally = tallies.get(level) ?? { truth, ok: 0, covered: 0, errors: [] };
    tallies.set(level, tally);
    tally.errors.push(Math.abs(value / truth - 1));
    if (status === 'ok') tally.ok++;
    if (low <= truth && truth <= high) tally.covered++;
  }
}
console.log('level  empirical   ok      covered  within 15 %  95th percentile of the error');
for (const [level, { truth, ok, covered, errors }] of tallies) {
  const percent = (count) => `${((100 * count) / draws).toFixed(1)} %`.padStart(7);
  const within = errors.filter((error) => error <= 0.15).length;
  const p95 = quantile(
    errors.toSorted((a, b) => a - b),
    0.95,
  );
  console.log(
    `p${Math.round(level * 100)}    ${truth.toFixed(2).padStart(6)}   ${percent(ok)}  ${percent(covered)}  ${percent(within)}      ${(100 * p95).toFixed(1)} %`,
  );
}
