// `npm run study:accuracy [-- --plan NAME] [--draws N] [--report r.json]`: R2 of the product's libraries over N noise draws on a plan's train and test
// records, beside an independent reference in Python on identical records (needs python3 with numpy and scipy). With --report, says whether the R2 of a
// run of `npm start` lies in the central 99 % of the draws. Exit code 1 when product and reference differ by more than 3 standard errors, or the run is outside.
import { noiseSdOfSum } from '@fedcarbon/round';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadFederation, quantile, summary, trainOnce } from './federation.mjs';
import { askReference, recordsOf } from './reference.mjs';

const { values: options } = parseArgs({
  options: {
    plan: { type: 'string', default: 'ecebd-20' },
    draws: { type: 'string', default: '100' },
    report: { type: 'string' },
  },
});
const draws = Number(options.draws);
const federation = await loadFederation(options.plan);
const { plan, encoded, test, holders, stock } = federation;
const { recipe } = plan;
console.log(`${options.plan}: ${stock.provenance}`);
console.log(
  `${encoded.reduce((n, { y }) => n + y.length, 0)} training and ${test.y.length} test records, ${holders.length} holders, ${draws} draws`,
);

const product = Array.from({ length: draws }, () => trainOnce(federation));
const ours = summary(product);
const sorted = product.toSorted((a, b) => a - b);
const [low, high] = [quantile(sorted, 0.005), quantile(sorted, 0.995)];
console.log(
  `product    R2 ${ours.mean.toFixed(4)} +- ${ours.standardError.toFixed(4)} (one run: sd ${ours.sd.toFixed(4)}, central 99 % of draws ${low.toFixed(3)} to ${high.toFixed(3)})`,
);

const reference = runReference();
let failed = false;
if (typeof reference === 'string') console.log(`reference  not run: ${reference}`);
else {
  const apart = (ours.mean - reference.mean) / Math.hypot(ours.standardError, reference.standardError);
  console.log(
    `reference  R2 ${reference.mean.toFixed(4)} +- ${reference.standardError.toFixed(4)} (one run: sd ${reference.sd.toFixed(4)})`,
  );
  console.log(`apart      ${apart.toFixed(2)} standard errors (at most 3)`);
  failed ||= Math.abs(apart) > 3;
}
if (options.report !== undefined) {
  const { metrics } = JSON.parse(readFileSync(options.report, 'utf8'));
  const inside = metrics.r2 >= low && metrics.r2 <= high;
  console.log(`npm start  R2 ${metrics.r2.toFixed(4)}: ${inside ? 'inside' : 'OUTSIDE'} the central 99 % of the draws`);
  failed ||= !inside;
}
process.exitCode = failed ? 1 : 0;

/** The reference's summary over as many draws, or why it could not run. */
function runReference() {
  const records = encoded.map(recordsOf);
  return askReference({
    binsPerFeature: recipe.binsPerFeature,
    yRange: recipe.yRange,
    T: recipe.rounds,
    R: recipe.residualScale,
    momentum: recipe.momentum,
    nominalRecords: recipe.nominalRecords,
    sigmaPerRound: noiseSdOfSum(plan, 'model', holders.length),
    lr: recipe.stepSize,
    train: { codes: records.flatMap(({ codes }) => codes), y: records.flatMap(({ y }) => y) },
    test: recordsOf(test),
    seeds: Array.from({ length: draws }, (_, k) => k),
  });
}
