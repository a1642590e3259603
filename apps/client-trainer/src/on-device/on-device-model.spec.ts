import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { InvalidInputError, toHex } from '@fedcarbon/kernel';
import {
  fitResidual,
  modelBytes,
  predict,
  predictiveInterval,
  predictivePercentile,
  predictWithResidual,
} from '@fedcarbon/learning';
import { encodeBuilding, stockView } from '@fedcarbon/plan';
import { ProblemError, sha256, signerFromPem } from '@fedcarbon/service';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { exampleBuilding, holderFile, testFederation } from '../example-federation.support.ts';
import { type HolderRecords, readHolderRecords } from '../holder-records.ts';
import type { Log } from '../ports.ts';
import { membershipOf } from '../trainer.ts';
import { type Fit, fitOnRecords } from './fit.ts';
import { OnDeviceModel } from './on-device-model.ts';

const federation = testFederation(['alder']);
const { plan, planHash } = federation;
const membership = membershipOf(plan, planHash, 'alder', signerFromPem(federation.holderPems['alder'] ?? '').publicKey);
const [lo, hi] = plan.recipe.yRange;

const codes = encodeBuilding(stockView(plan.stock), exampleBuilding);

let folder: ReturnType<typeof temporaryFolder>;
let lines: string[];
let fits: number;
const write = (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`);
const log: Log = { debug: write, info: write, warn: write, error: write };
const counted: Fit = (input) => {
  fits++;
  return Promise.resolve(fitOnRecords(input));
};
beforeEach(() => {
  folder = temporaryFolder('on-device');
  lines = [];
  fits = 0;
});
afterEach(() => {
  folder.remove();
});

async function recordsOf(count: number): Promise<HolderRecords> {
  writeFileSync(join(folder.path, 'train.csv'), holderFile(0, count));
  return readHolderRecords(folder.path, plan);
}

async function open(count = 40, options: { fit?: Fit; planHash?: string } = {}) {
  const records = (await recordsOf(count)).training;
  const device = await OnDeviceModel.open({
    ...{ dir: folder.path, membership: { ...membership, planHash: options.planHash ?? planHash }, records },
    ...{ fit: options.fit ?? counted, sha256, log },
  });
  return { device, records };
}

/** A model that knows little: the middle of the y-range, a little moved by the first feature. */
const weights = new Float64Array(plan.recipe.binsPerFeature.reduce((sum, bins) => sum + bins, 0)).fill(
  0.05,
  0,
  plan.recipe.binsPerFeature[0],
);
const globalDigest = toHex(sha256(modelBytes(weights)));
const file = (kind: 'model' | 'residual') => join(folder.path, `uci-energy.${kind}`);

describe('the on-device model', () => {
  it('answers as the library does, with and without it', async () => {
    const { device, records } = await open();
    await device.take(weights);
    await device.idle();
    const global = (asked: Uint16Array) => predict(records.shape, weights, asked, [lo, hi]);
    const { model, validation } = fitResidual(records, global(records.codes), { yRange: [lo, hi], globalDigest });
    const [own = NaN] = predictWithResidual(model, codes, global(codes), globalDigest);
    expect(validation.used).toBe(true);
    const answer = device.position({ attributes: exampleBuilding, intensity: 20 });
    expect(answer).toMatchObject({
      ...{ holder: 'alder', dataset: 'uci-energy', plan: { name: 'energy', hash: planHash }, unit: 'kWh/m2' },
      ...{ predictedIntensity: own, intensity: 20, note: null },
      interval: { confidence: 0.8, ...predictiveInterval(own, model.errors, 0.8) },
      position: { difference: 20 - own, percentile: predictivePercentile(own, model.errors, 20) },
      federation: { predictedIntensity: global(codes)[0], modelDigest: globalDigest },
      onDevice: {
        ...{ predictedIntensity: own, version: 1, records: 40, used: true },
        rmse: { federation: validation.globalRmse, onDevice: validation.ownRmse },
      },
    });
    expect(answer.federation.predictedIntensity).not.toBe(own);
    expect(device.position({ attributes: exampleBuilding })).toEqual({ ...answer, intensity: own, position: null });
  });

  it('refuses attributes that are not the plan’s, naming them', async () => {
    const { device } = await open();
    await device.take(weights);
    await device.idle();
    expect(() => device.position({ attributes: { ...exampleBuilding, colour: 'red' } })).toThrow(
      /unknown attribute "colour"/,
    );
    expect(() => device.position({ attributes: { orientation: 2 } })).toThrow(/relativeCompactness is null/);
    expect(() => device.position({ attributes: { ...exampleBuilding, orientation: 7 } })).toThrow(InvalidInputError);
  });

  it('cannot answer before a model was published, and until the fit is there answers with the federation’s', async () => {
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (finish = resolve));
    const { device } = await open(40, { fit: (input) => waiting.then(() => counted(input)) });
    expect(() => device.position({ attributes: exampleBuilding })).toThrow(ProblemError);
    await device.take(weights);
    expect(device.position({ attributes: exampleBuilding, intensity: 20 })).toMatchObject({
      ...{ predictedIntensity: 25 + 50 * 0.05, onDevice: null, interval: null },
      ...{ position: { percentile: null }, note: expect.stringContaining('not fitted yet') as unknown },
    });
    finish();
    await device.idle();
    expect(device.position({ attributes: exampleBuilding }).note).toBeNull();
  });

  it('is the federation’s for a holder without records, and for one with too few', async () => {
    for (const [count, onDevice, note] of [
      [0, null, /no training records/],
      [3, { used: false, records: 3 }, /nothing predicts better/],
    ] as const) {
      const { device } = await open(count);
      await device.take(weights);
      await device.idle();
      const answer = device.position({ attributes: exampleBuilding });
      expect(answer).toMatchObject({ predictedIntensity: answer.federation.predictedIntensity, interval: null });
      expect(answer.onDevice).toEqual(onDevice === null ? null : expect.objectContaining(onDevice));
      expect(answer.note).toMatch(note);
    }
  });

  it('is fitted once for a model that comes twice, and anew for another one', async () => {
    const { device } = await open();
    await device.take(weights);
    await device.take(Float64Array.from(weights));
    await device.take(weights.map((weight) => -weight));
    await device.idle();
    expect(fits).toBeLessThanOrEqual(2);
    expect(device.position({ attributes: exampleBuilding })).toMatchObject({
      federation: { predictedIntensity: 25 - 50 * 0.05 },
      onDevice: { version: fits },
    });
  });

  it('never corrects another model than the one it was fitted to, whatever comes during a fit', async () => {
    const finish: (() => void)[] = [];
    const begun = async (count: number) => {
      while (finish.length < count) await setImmediate();
    };
    const { device } = await open(40, {
      fit: (input) => new Promise<void>((resolve) => finish.push(resolve)).then(() => counted(input)),
    });
    await device.take(weights);
    await begun(1);
    await device.take(weights.map((weight) => -weight));
    finish[0]?.();
    await begun(2);
    expect(device.position({ attributes: exampleBuilding }).note).toMatch(/not fitted yet/);
    finish[1]?.();
    await device.idle();
    expect(device.position({ attributes: exampleBuilding }).onDevice).toMatchObject({ version: 2, used: true });
  });

  it('goes on without it when the fit fails, and says so in the log', async () => {
    const { device } = await open(40, { fit: () => Promise.reject(new Error('no memory')) });
    await device.take(weights);
    await device.idle();
    expect(device.position({ attributes: exampleBuilding }).onDevice).toBeNull();
    expect(lines).toEqual(['the on-device model was not fitted, or not saved {"reason":"no memory"}']);
  });
});

describe('after a restart the on-device model', () => {
  const fitted = async (count = 40) => {
    const { device } = await open(count);
    await device.take(weights);
    await device.idle();
    return device.position({ attributes: exampleBuilding });
  };
  const reopened = async (...options: Parameters<typeof open>) => {
    const { device } = await open(...options);
    await device.idle();
    return device.position({ attributes: exampleBuilding });
  };

  it('is the same, without another fit, from two files that only their owner can read', async () => {
    const before = await fitted();
    expect(await reopened()).toEqual(before);
    expect(fits).toBe(1);
    for (const kind of ['model', 'residual'] as const) expect(statSync(file(kind)).mode & 0o777).toBe(0o600);
  });

  it('is fitted again when its file is damaged or lost, with a line in the log', async () => {
    const before = await fitted();
    writeFileSync(file('residual'), readFileSync(file('residual')).subarray(1));
    expect(await reopened()).toEqual(before);
    expect(fits).toBe(2);
    expect(lines.join('\n')).toMatch(/fitted again .*residual: the checksum does not fit/);
  });

  it('is another version when the records are others, and does not outlive them', async () => {
    await fitted();
    expect((await reopened(39)).onDevice).toMatchObject({ version: 2, records: 39 });
    await expect(reopened(38, { planHash: 'b'.repeat(64) })).rejects.toThrow(ProblemError);
    expect(() => statSync(file('residual'))).toThrow(/ENOENT/);
  });

  it('is not used with another plan, or without the published model', async () => {
    await fitted();
    await expect(reopened(40, { planHash: 'b'.repeat(64) })).rejects.toThrow(/not come yet/);
    writeFileSync(file('model'), 'what is this');
    await expect(reopened()).rejects.toThrow(/not come yet/);
    expect(lines.at(-1)).toMatch(/comes again with the next plan only.*model: the checksum does not fit/);
  });
});

describe('what is computed from records', () => {
  it('is not in the log', async () => {
    const { device } = await open();
    await device.take(weights);
    await device.idle();
    expect(lines).toEqual(['fitted the on-device model {"version":1}']);
  });

  it('cannot be sent: nothing here knows the broker, the journal or a signature', () => {
    for (const name of ['fit', 'fit-thread', 'on-device-model', 'position', 'private-file', 'stored-models']) {
      const imports = [...readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8').matchAll(/ from '([^']+)'/g)];
      const foreign = imports
        .map(([, from = '']) => from)
        .filter((from) => !/^(node:(fs|path|events|crypto|worker_threads)|\.\/|zod)/.test(from));
      const known = ['contracts', 'kernel', 'learning', 'plan', 'service'].map((lib) => `@fedcarbon/${lib}`);
      const allowed = [...known, '../ports.ts', '../trainer.ts'];
      expect(foreign.filter((from) => !allowed.includes(from))).toEqual([]);
    }
  });
});
