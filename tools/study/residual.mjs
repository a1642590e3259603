// `npm run study:residual [-- --splits 10-29] [--schema a,b] [--targets a,b] [--draws N] [--epsilon E]`: R2 of the on-device model, fitted by each of 20 holders to what
// the global model gets wrong on its own records. Regional holders (records sorted by country and subtype, or by building shape, in 20 equal chunks) and random
// ones, each test record predicted by its holder; beside it the global model alone, plain kernel ridge on the residuals, the on-device model without any federation, and the global model without noise.
import { fitResidual, metrics, predict, predictWithResidual, RESIDUAL_GRID } from '@fedcarbon/learning';
import { SeededRandom } from '@fedcarbon/stock';
import { parseArgs } from 'node:util';
import {
  HOLDERS,
  loadTarget,
  mean,
  meanAndError,
  resolveRecipe,
  splitRange,
  splitRows,
  take,
  train,
} from './splits.mjs';

const { values: options } = parseArgs({
  options: {
    splits: { type: 'string', default: '10-29' },
    schema: { type: 'string' },
    targets: { type: 'string', default: 'heating,cooling,ecebd' },
    draws: { type: 'string', default: '3' },
    epsilon: { type: 'string', default: '1' },
  },
});
const splits = splitRange(options.splits);
const draws = Number(options.draws);
const globalDigest = '0'.repeat(64); // One version of the global model at a time here.

/** Kernel ridge on one-hot codes (alpha 1, gamma 0.1) whenever there are 3 records: the reference of the design. */
const KERNEL_RIDGE = {
  ...RESIDUAL_GRID,
  similarities: [Math.exp(-0.2)],
  additiveShare: 0,
  signalToNoise: [1],
  trusts: [{ trust: 1, prior: 1 }],
  priorOfNone: 0,
  minRecords: 3,
};
const METHODS = { 'kernel ridge, validated': KERNEL_RIDGE, 'on-device model': RESIDUAL_GRID };

/** Holder of each record. Ties are broken at random, by the split. */
function holdersOf(target, kind, split) {
  const random = new SeededRandom(1000 + split);
  const shuffled = random.shuffle(target.records.map((_, i) => i));
  const key = (i) => {
    const { attributes } = target.records[i];
    return target.source === 'ecebd'
      ? `${attributes.country} ${attributes.useSubtype}`
      : String(attributes.relativeCompactness);
  };
  const order =
    kind === 'random' ? shuffled : shuffled.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
  const holders = new Array(order.length);
  order.forEach((row, at) => (holders[row] = Math.floor((at * HOLDERS) / order.length)));
  return holders;
}

/** R2 over all test records, each predicted by the holder that it belongs to. */
function evaluate(target, { fit, test }, holders, globalPredictions, grid) {
  const predicted = new Map();
  let used = 0;
  for (let holder = 0; holder < HOLDERS; holder++) {
    const [own, asked] = [fit, test].map((rows) => rows.filter((row) => holders[row] === holder));
    const predictions = (rows) => Float64Array.from(rows, (row) => globalPredictions[row]);
    const { model, validation } = fitResidual(take(target.all, own), predictions(own), {
      yRange: target.yRange,
      globalDigest,
      grid,
    });
    if (validation.used) used++;
    predictWithResidual(model, take(target.all, asked).codes, predictions(asked), globalDigest).forEach((value, i) =>
      predicted.set(asked[i], value),
    );
  }
  const y = test.map((row) => target.all.y[row]);
  return {
    r2: metrics(
      y,
      test.map((row) => predicted.get(row)),
    ).r2,
    used,
  };
}

/** The global model's prediction of every record; without a federation, the middle of the y-range. */
function predictAll(target, global, recipe, fit) {
  const [lo, hi] = target.yRange;
  if (recipe === undefined) return new Float64Array(target.all.y.length).fill((lo + hi) / 2);
  const weights = train(global, recipe, take(global.all, fit));
  return predict(global.all.shape, weights, global.all.codes, target.yRange);
}

/** By method: R2, R2 above the global model's, holders that use their own model. */
function evaluateAll(target, { train: fit, test }, holders, predictions) {
  const y = test.map((row) => target.all.y[row]);
  const alone = metrics(
    y,
    test.map((row) => predictions[row]),
  ).r2;
  const results = new Map([['global model', { r2: alone, gain: 0, used: 0 }]]);
  for (const [method, grid] of Object.entries(METHODS)) {
    const { r2, used } = evaluate(target, { fit, test }, holders, predictions, grid);
    results.set(method, { r2, gain: r2 - alone, used });
  }
  return results;
}

for (const name of options.targets.split(',')) {
  const target = await loadTarget(name);
  // The federation may train on other public bins than a holder uses on its device.
  const global = await loadTarget(name, options.schema);
  const setting = { epsilon: Number(options.epsilon) };
  const recipes = {
    [`epsilon ${setting.epsilon}`]: resolveRecipe(global, setting),
    'without noise': resolveRecipe(global, { epsilon: null }),
    'no federation': undefined,
  };
  for (const kind of ['regional', 'random']) {
    console.log(`${name}, ${HOLDERS} ${kind} holders, splits ${options.splits}`);
    for (const [label, recipe] of Object.entries(recipes)) {
      const results = new Map();
      const add = (method, result) => results.set(method, [...(results.get(method) ?? []), result]);
      for (const split of splits) {
        const rows = splitRows(target, split);
        const holders = holdersOf(target, kind, split);
        const runs = Array.from({ length: recipe === undefined || recipe.sdOfSum === 0 ? 1 : draws }, () =>
          evaluateAll(target, rows, holders, predictAll(target, global, recipe, rows.train)),
        );
        // Draws of one split are averaged, so that the standard error is over splits.
        for (const method of runs[0].keys()) {
          const average = (field) => mean(runs.map((run) => run.get(method)[field]));
          add(method, { r2: average('r2'), gain: average('gain'), used: average('used') });
        }
      }
      for (const [method, values] of results) {
        const used = mean(values.map((value) => value.used)).toFixed(1);
        const gain = meanAndError(values.map((value) => value.gain));
        console.log(
          `  ${label.padEnd(14)} ${method.padEnd(24)} R2 ${meanAndError(values.map((value) => value.r2))}   over the global model ${gain}, used by ${used} holders`,
        );
      }
    }
  }
}
