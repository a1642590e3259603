// `npm run study:distributed [-- --splits 10-29] [--draws N] [--rounds T] [--spare S] [--kappa K] [--epsilon E] [--schema a,b] [--targets a,b]`: R2 under one noise for
// the whole federation (`trust: distributed`, shares sized for 14 of 20 holders, all 20 answering), at the model's share of the budget, beside the same model
// without noise and the Python reference on the same splits. Exit code 1 when a bound is missed at the setting that it is for (the default options).
import { parseArgs } from 'node:util';
import {
  HOLDERS,
  loadTarget,
  mean,
  meanAndError,
  MIN_SURVIVORS,
  r2,
  referenceR2,
  resolveRecipe,
  splitRange,
  splitRows,
  take,
  train,
} from './splits.mjs';

const { values: options } = parseArgs({
  options: {
    splits: { type: 'string', default: '10-29' },
    draws: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '25' },
    spare: { type: 'string', default: '2' },
    kappa: { type: 'string', default: '0.04' },
    epsilon: { type: 'string', default: '1' },
    schema: { type: 'string' },
    targets: { type: 'string', default: 'heating,cooling,ecebd' },
    reference: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const splits = splitRange(options.splits);
const draws = Number(options.draws);
const setting = {
  epsilon: Number(options.epsilon),
  rounds: Number(options.rounds),
  spareRounds: Number(options.spare),
  kappa: Number(options.kappa),
};
console.log(
  `epsilon ${setting.epsilon}, delta 1e-5, 0.8 of mu^2 for ${setting.rounds} rounds and ${setting.spareRounds} spare ones, kappa ${setting.kappa}; noise for ${MIN_SURVIVORS} of ${HOLDERS}, all answer; splits ${options.splits}, ${draws} draws each`,
);
/** Least mean R2; for ECEBD it is the reference's on the same splits minus 0.01. */
const bounds = { heating: 0.98, cooling: 0.95 };
for (const name of options.targets.split(',')) {
  const target = await loadTarget(name, options.schema);
  const recipe = resolveRecipe(target, setting);
  const exact = resolveRecipe(target, { ...setting, epsilon: null });
  const rows = { private: [], exact: [], reference: [] };
  for (const split of splits) {
    const { train: fit, test } = splitRows(target, split);
    const [trainPart, testPart] = [take(target.all, fit), take(target.all, test)];
    const runs = Array.from({ length: draws }, () => r2(target, train(target, recipe, trainPart), testPart));
    rows.private.push(mean(runs));
    rows.exact.push(r2(target, train(target, exact, trainPart), testPart));
    if (options.reference)
      rows.reference.push(referenceR2(target, recipe, trainPart, testPart, { split, runs: draws }));
  }
  const failure = rows.reference.find((value) => typeof value === 'string');
  const reference = failure === undefined ? rows.reference.map((values) => mean(values)) : undefined;
  console.log(
    `${name} (${target.bins.length} features, ${target.all.shape.p} bins, noise sd ${recipe.sdOfSum.toFixed(1)}, ${recipe.bits} bits)`,
  );
  console.log(`  product        R2 ${meanAndError(rows.private)}`);
  console.log(`  without noise  R2 ${meanAndError(rows.exact)}`);
  if (!options.reference) continue;
  console.log(`  reference      ${reference === undefined ? `not run: ${failure}` : `R2 ${meanAndError(reference)}`}`);
  const least = bounds[name] ?? (reference === undefined ? undefined : mean(reference) - 0.01);
  if (least === undefined) continue;
  const met = mean(rows.private) >= least;
  console.log(`  bound          ${least.toFixed(4)}: ${met ? 'met' : 'MISSED'}`);
  if (!met) process.exitCode = 1;
}
