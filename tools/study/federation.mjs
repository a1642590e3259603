// A whole federation in one process: the libraries of the product on the holders of a plan, without services. For studies of accuracy over many noise
// draws; nothing computed here is released to anybody.
import { decodeIntegers, encodeIntegers, sumModulo, toSigned } from '@fedcarbon/codec';
import { countRecords } from '@fedcarbon/benchmark';
import { loadStock } from '@fedcarbon/datasets';
import { advance, finalWeights, gamShape, initialState, localSum, metrics, predict } from '@fedcarbon/learning';
import { encodeStock, histogramRows, parsePlanFile, partitionSpec, resolvePlan, stockView } from '@fedcarbon/plan';
import { DiscreteGaussianSampler } from '@fedcarbon/privacy';
import { roundShape, roundShare } from '@fedcarbon/round';
import { cryptoRandom } from '@fedcarbon/service';
import { partitionStock } from '@fedcarbon/stock';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const checkout = join(import.meta.dirname, '../..');

/**
 * A plan with its holders' records, as `npm start` would split them. Instead of the plan's: `benchmarksShare`, share of mu^2 for the benchmarks;
 * `wholeEdges`, edges of each histogram of all records.
 */
export async function loadFederation(name, { benchmarksShare, wholeEdges } = {}) {
  const source = `federations/${name}.yaml`;
  const written = parse(readFileSync(join(checkout, source), 'utf8'));
  if (benchmarksShare !== undefined) {
    written.privacy.budgetShares = { model: 1 - benchmarksShare, benchmarks: benchmarksShare };
  }
  if (wholeEdges !== undefined) written.benchmarks.wholeEdges = wholeEdges;
  const file = parsePlanFile(written, source);
  const stock = await loadStock(file.stock.source, {
    dataDir: process.env.FEDCARBON_DATA_DIR,
    checkoutDir: checkout,
    cacheDir: join(checkout, '.fedcarbon/cache'),
    note: (line) => console.error(line),
  });
  const view = stockView(file.stock);
  const holders = partitionStock(stock.records, partitionSpec(file));
  const key = 'A'.repeat(43); // Nobody signs anything here.
  const plan = resolvePlan(file, {
    simulation: true,
    data: stock.data,
    keys: { global: key, accountant: key, checkpoint: key },
    operatorKey: key,
    regions: file.regions.map((region) => ({
      name: region.name,
      publicKey: key,
      members: holders
        .filter((holder) => holder.region === region.name)
        .map(({ id }) => ({ holder: id, dataset: file.stock.source, publicKey: key })),
    })),
  });
  const encoded = holders.map((holder) => encodeStock(view, holder.train));
  const test = encodeStock(
    view,
    holders.flatMap((holder) => holder.test),
  );
  const rows = holders.map((holder) => histogramRows(view, [...holder.train, ...holder.test]));
  return { file, stock, plan, holders, encoded, test, rows };
}

/** The modular sum of what all holders would send: `local` of each, with its noise of a round added, packed and unpacked. Masks would cancel and are left out. */
function noisySum(locals, plan, purpose) {
  const { bits } = roundShape(plan, purpose);
  const sampler = new DiscreteGaussianSampler(roundShare(plan, purpose), cryptoRandom);
  const updates = locals.map((local) => {
    const noise = new Int32Array(local.length);
    sampler.fill(noise);
    return decodeIntegers(
      encodeIntegers(
        local.map((value, i) => value + noise[i]),
        bits,
      ),
    ).values;
  });
  return toSigned(sumModulo(updates, bits), bits);
}

/** One training run with fresh noise; R2 on the pooled test records. */
export function trainOnce({ plan, encoded, test }) {
  const { recipe } = plan;
  const shape = gamShape(recipe.binsPerFeature);
  let state = initialState(shape.p);
  for (let round = 0; round < recipe.rounds; round++) {
    const locals = encoded.map((stock) =>
      localSum(stock, state.weights, { yRange: recipe.yRange, residualScale: recipe.residualScale }, cryptoRandom),
    );
    state = advance(state, noisySum(locals, plan, 'model'), {
      rounds: recipe.rounds,
      nominalRecords: recipe.nominalRecords,
      momentum: recipe.momentum,
      learningRate: recipe.stepSize,
    });
  }
  return metrics(test.y, predict(shape, finalWeights(state), test.codes, recipe.yRange)).r2;
}

/** One benchmark release with fresh noise: signed counts of every cell. */
export function releaseOnce({ plan, rows }) {
  return noisySum(
    rows.map((held) => countRecords(plan.benchmarks.layout, held)),
    plan,
    'benchmarks',
  );
}

/** Mean, standard deviation of one value, standard error of the mean. */
export function summary(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  return { mean, sd, standardError: sd / Math.sqrt(values.length) };
}

/** Value at `level` of sorted values, by linear interpolation. */
export function quantile(sorted, level) {
  const at = level * (sorted.length - 1);
  const low = Math.floor(at);
  const next = sorted[Math.min(low + 1, sorted.length - 1)];
  return sorted[low] + (at - low) * (next - sorted[low]);
}
