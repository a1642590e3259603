// Accuracy over random splits of a whole public stock, with one noise for all holders: what a federation under `trust: distributed` computes, in one process.
// Holders matter here only through their noise shares, since sums of sums are sums; so one local sum over all training records stands for theirs.
import { sensitivitySquared } from '@fedcarbon/benchmark';
import { loadStock } from '@fedcarbon/datasets';
import {
  advance,
  finalWeights,
  gamShape,
  initialState,
  integerWidth,
  localSum,
  metrics,
  MOMENTUM,
  predict,
  RESIDUAL_SCALE,
  STEP_CAP,
  STEP_KAPPA,
  stepSize,
} from '@fedcarbon/learning';
import { benchmarkLayout, binCounts, encodeStock, planNoise, stockView } from '@fedcarbon/plan';
import { DiscreteGaussianSampler } from '@fedcarbon/privacy';
import { cryptoRandom } from '@fedcarbon/service';
import { SeededRandom } from '@fedcarbon/stock';
import { join } from 'node:path';
import { askReference, recordsOf } from './reference.mjs';

const checkout = join(import.meta.dirname, '../..');

/** Holders of a federation, and the survivors that its noise is sized for. */
export const HOLDERS = 20;
export const MIN_SURVIVORS = 14;
const TEST_SHARE = 0.2;

const ECEBD = {
  source: 'ecebd',
  target: 'embodied-carbon',
  yRange: [2, 22],
  total: 640,
  margins: ['all', 'country', 'subtype', 'structure'],
};
const ENERGY = { source: 'uci-energy', yRange: [0, 50], total: 760, margins: ['all'] };

/** The targets of the study. Public figures are those of the plans in federations/. */
export const TARGETS = {
  heating: { ...ENERGY, featureSchema: 'uci-energy/v1', target: 'heating-load' },
  cooling: { ...ENERGY, featureSchema: 'uci-energy/v1', target: 'cooling-load' },
  ecebd: { ...ECEBD, featureSchema: 'ecebd/v1' },
};

/** A target's records, encoded once: row i is record i. `schemas`: names, separated by commas, of which one of the target's data set replaces version 1. */
export async function loadTarget(name, schemas = '') {
  const target = TARGETS[name];
  const named = schemas.split(',').find((schema) => schema.startsWith(`${target.source}/`));
  const featureSchema = named ?? target.featureSchema;
  const stock = await loadStock(target.source, {
    dataDir: process.env.FEDCARBON_DATA_DIR,
    checkoutDir: checkout,
    cacheDir: join(checkout, '.fedcarbon/cache'),
    note: (line) => console.error(line),
  });
  const view = stockView({ featureSchema, target: target.target });
  const layout = benchmarkLayout(view, { margins: target.margins });
  return {
    ...target,
    name,
    provenance: stock.provenance,
    records: stock.records,
    all: encodeStock(view, stock.records),
    bins: binCounts(view),
    benchmarkSensitivitySquared: sensitivitySquared(layout),
    nominalTraining: Math.round(target.total * (1 - TEST_SHARE)),
  };
}

/** Row numbers of a split: a fifth for testing, chosen by `seed`. */
export function splitRows(target, seed) {
  const rows = new SeededRandom(seed).shuffle(target.records.map((_, i) => i));
  const tests = Math.round(rows.length * TEST_SHARE);
  return { test: rows.slice(0, tests), train: rows.slice(tests) };
}

/** Some rows of an encoded stock. */
export function take({ shape, codes, y }, rows) {
  const picked = new Uint16Array(rows.length * shape.d);
  rows.forEach((row, i) => picked.set(codes.subarray(row * shape.d, (row + 1) * shape.d), i * shape.d));
  return { shape, codes: picked, y: Float64Array.from(rows, (row) => y[row]) };
}

/**
 * Noise and step as a plan under distributed trust resolves them: all rounds, spare ones too, and the benchmark release within epsilon; every holder's share
 * is sized for `MIN_SURVIVORS`, and all `HOLDERS` answer. `epsilon` null: the same model without noise.
 */
export function resolveRecipe(
  target,
  { epsilon = 1, delta = 1e-5, modelShare = 0.8, rounds = 25, spareRounds = 2, kappa = STEP_KAPPA },
) {
  const features = target.bins.length;
  const nominalRecords = target.nominalTraining;
  let sharedSigmaSquared = 0;
  if (epsilon !== null) {
    const request = {
      epsilon,
      delta,
      parts: {
        model: { share: modelShare, sensitivitySquared: features, steps: rounds + spareRounds },
        benchmarks: { share: 1 - modelShare, sensitivitySquared: target.benchmarkSensitivitySquared, steps: 1 },
      },
    };
    const secureSum = { protocol: 'double-masking', minSurvivors: MIN_SURVIVORS, maxColluding: 0 };
    sharedSigmaSquared = planNoise(request, secureSum, HOLDERS).shareSigmaSquared.model;
  }
  const sdOfSum = Math.sqrt(HOLDERS * sharedSigmaSquared);
  return {
    rounds,
    nominalRecords,
    sharedSigmaSquared,
    sdOfSum,
    bits: integerWidth({ nominalRecords, sdOfSum }),
    learningRate: stepSize({
      nominalRecords,
      rounds,
      features,
      sigmaOfSum: sdOfSum,
      kappa,
      cap: STEP_CAP,
    }),
  };
}

/** Weights of one training run on `train` with fresh noise. */
export function train(target, recipe, train) {
  const { rounds, nominalRecords, learningRate, sharedSigmaSquared, bits } = recipe;
  const sampler = sharedSigmaSquared > 0 ? new DiscreteGaussianSampler(sharedSigmaSquared, cryptoRandom) : undefined;
  let state = initialState(train.shape.p);
  for (let round = 0; round < rounds; round++) {
    const parameters = { yRange: target.yRange, residualScale: RESIDUAL_SCALE };
    const sum = localSum(train, state.weights, parameters, cryptoRandom);
    const share = new Int32Array(sum.length);
    for (let holder = 0; holder < HOLDERS && sampler !== undefined; holder++) {
      sampler.fill(share);
      share.forEach((value, j) => (sum[j] += value));
    }
    // What a modular sum of `bits` bits would open.
    const opened = sum.map((value) => (value << (32 - bits)) >> (32 - bits));
    state = advance(state, opened, { rounds, nominalRecords, momentum: MOMENTUM, learningRate });
  }
  return finalWeights(state);
}

export function r2(target, weights, test) {
  return metrics(test.y, predict(gamShape(target.bins), weights, test.codes, target.yRange)).r2;
}

/** R2 of `runs` runs of the Python reference on the records of a split, each with noise of its own, or why it could not run. */
export function referenceR2(target, recipe, trainPart, testPart, { split, runs }) {
  const answer = askReference({
    binsPerFeature: target.bins,
    yRange: target.yRange,
    T: recipe.rounds,
    R: RESIDUAL_SCALE,
    momentum: MOMENTUM,
    nominalRecords: recipe.nominalRecords,
    sigmaPerRound: recipe.sdOfSum,
    lr: recipe.learningRate,
    train: recordsOf(trainPart),
    test: recordsOf(testPart),
    seeds: Array.from({ length: runs }, (_, k) => split * runs + k),
  });
  return typeof answer === 'string' ? answer : answer.r2;
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** "0.4301 +- 0.0172": mean and its standard error over splits. */
export function meanAndError(values) {
  const centre = mean(values);
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
  return `${centre.toFixed(4)} +- ${(sd / Math.sqrt(values.length)).toFixed(4)}`;
}

/** Splits "10-29" as numbers. */
export function splitRange(text) {
  const [first, last = first] = text.split('-').map(Number);
  if (!(Number.isInteger(first) && Number.isInteger(last) && first <= last)) {
    throw new Error(`splits are a range such as 10-29, found "${text}"`);
  }
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
