import { readFileSync } from 'node:fs';
import { countRecords, sensitivitySquared } from '@fedcarbon/benchmark';
import { decodeIntegers, toSigned } from '@fedcarbon/codec';
import { openAbridged, UPDATE_V1 } from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, toBase64Url } from '@fedcarbon/kernel';
import { localSum } from '@fedcarbon/learning';
import { messageIdOf } from '@fedcarbon/messaging';
import { decide } from '@fedcarbon/privacy';
import { modelLength } from '@fedcarbon/round';
import { sha256, signerFromPem, verifySignature } from '@fedcarbon/service';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeAccountant } from './fake-accountant.support.ts';
import { testFederation } from './example-federation.support.ts';
import { digestOf, Site, type SiteOptions } from './site.support.ts';

const federation = testFederation(['alder', 'birch']);
const { plan, planHash, keys } = federation;
const noNoise = (_: number, length: number) => new Int32Array(length);
const signed = (update: { payload: string; bits?: number }) => {
  const { values, bits } = decodeIntegers(fromBase64Url(update.payload));
  return { bits, values: toSigned(values, bits) };
};

let accountant: FakeAccountant;
let site: Site;
const open = async (options?: SiteOptions) => {
  site = await Site.open(federation, accountant, options);
  return site;
};
beforeEach(() => {
  accountant = new FakeAccountant(federation);
});
afterEach(() => site.close());

describe('a round', () => {
  it('ends with one update that is signed, charged, of the right shape, and in the journal', async () => {
    const { trainer, sent, journal } = await open();
    await trainer.onTask(federation.open(1));
    expect(accountant.calls).toEqual(['history', 'reserve', 'commit']);
    expect(sent).toHaveLength(1);
    const [message] = sent;
    const [update] = site.updates();
    const holderKey = signerFromPem(federation.holderPems['alder'] ?? '').publicKey;
    expect(message?.subject).toBe('fc.v1.up.north.alder.update');
    expect(message?.messageId).toBe(messageIdOf(sha256, message!));
    const context = { planHash, holder: 'alder' };
    expect(openAbridged(UPDATE_V1, message!, () => context, holderKey, verifySignature)).toEqual(update);
    expect(site.isCharged(update!, plan.recipe.event)).toBe(true);
    const { bits, values } = signed(update!);
    expect(bits).toBe(plan.recipe.bits);
    expect(values).toHaveLength(plan.recipe.binsPerFeature.reduce((sum, bins) => sum + bins, 0));
    expect([...journal.state.attempts.values()]).toEqual([
      expect.objectContaining({ status: 'committed', attempt: 1 }),
    ]);
  });

  it('is the sum over the training records, when the noise is taken away', async () => {
    await open({ noise: noNoise });
    await site.trainer.onTask(federation.open(1));
    // At zero weights every target of this stock is further than R from the middle but those whose rounding is random; compare with fixed draws at both ends.
    const { yRange, residualScale } = plan.recipe;
    const weights = new Float64Array(site.records.training.shape.p);
    const bounds = [0x00, 0xff].map((byte) =>
      localSum(
        site.records.training,
        weights,
        { yRange, residualScale },
        { bytes: (n) => new Uint8Array(n).fill(byte) },
      ),
    );
    const { values } = signed(site.updates()[0]!);
    values.forEach((value, bin) => {
      expect(value).toBeGreaterThanOrEqual(bounds[0]?.[bin] ?? NaN);
      expect(value).toBeLessThanOrEqual(bounds[1]?.[bin] ?? NaN);
    });
    expect(values.some((value) => value !== 0)).toBe(true);
  });

  it('for benchmarks counts every record once in each histogram, when the noise is taken away', async () => {
    await open({ noise: noNoise });
    await site.trainer.onTask(federation.open(6, { purpose: 'benchmarks' }));
    const { bits, values } = signed(site.updates()[0]!);
    expect(bits).toBe(plan.benchmarks.bits);
    expect(values).toEqual(countRecords(plan.benchmarks.layout, site.records.all));
    expect(values.reduce((sum, count) => sum + count, 0)).toBe(30 * sensitivitySquared(plan.benchmarks.layout));
  });

  it('carries the noise of its event on every coordinate, also without records', async () => {
    await open({ records: 0 });
    // n = 4 rounds x p coordinates; the sample variance over sigma^2 is about 1 with standard deviation sqrt(2/n); 6 of them: false alarm below 1e-8.
    const all: number[] = [];
    for (const index of [1, 2, 3, 4]) await site.trainer.onTask(federation.open(index));
    for (const update of site.updates()) all.push(...signed(update).values);
    const variance = all.reduce((sum, value) => sum + value ** 2, 0) / all.length;
    expect(site.records.training.y).toHaveLength(0);
    expect(Math.abs(variance / plan.recipe.event.sigmaSquared - 1)).toBeLessThan(6 * Math.sqrt(2 / all.length));
  });

  it('leaves neither records nor counts in the log', async () => {
    await open({ records: 29 });
    await site.trainer.onTask(federation.open(1));
    expect(site.lines.length).toBeGreaterThan(1);
    expect(site.lines.join('\n')).not.toMatch(/\b29\b/);
    expect(readFileSync(site.journal.path, 'utf8')).not.toMatch(/\b29\b/);
  });
});

describe('the published model', () => {
  const weights = Float64Array.from({ length: modelLength(plan) }, (_, j) => j / 64);
  const text = toBase64Url(new Uint8Array(weights.buffer));

  it('comes with the benchmarks round, also to a holder that takes no part in it', async () => {
    await open({ epsilon: 1e-9 });
    await site.trainer.onTask(federation.open(1, { weights: text }));
    await site.trainer.onTask(federation.open(6, { purpose: 'benchmarks', weights: text }));
    expect(site.declines()).toEqual(['over_own_cap', 'over_own_cap']);
    expect(site.published).toEqual([weights]);
  });

  it('is absent when no round has released one, and refused when it is none of this plan', async () => {
    await open();
    await site.trainer.onTask(federation.open(6, { purpose: 'benchmarks' }));
    const cut = federation.open(7, { purpose: 'benchmarks', weights: text.slice(0, 64) });
    await expect(site.trainer.onTask(cut)).rejects.toThrow(/weights must take/);
    expect(site.published).toEqual([]);
  });
});

describe('the own cap', () => {
  it('declines what the accountant would grant', async () => {
    const two = [plan.recipe.event, plan.recipe.event];
    const { epsilonAfter } = decide({
      history: two.slice(1),
      event: plan.recipe.event,
      cap: { epsilon: 1, delta: 1e-5 },
    });
    await open({ epsilon: epsilonAfter });
    for (const index of [1, 2, 3]) await site.trainer.onTask(federation.open(index));
    expect(site.updates()).toHaveLength(2);
    expect(site.declines()).toEqual(['over_own_cap']);
    expect(accountant.calls.filter((call) => call === 'reserve')).toHaveLength(2);
  });

  it('counts what the accountant tells of an earlier journal', async () => {
    const { epsilonAfter } = decide({ history: [], event: plan.recipe.event, cap: { epsilon: 1, delta: 1e-5 } });
    await open({ epsilon: epsilonAfter });
    await site.trainer.onTask(federation.open(1));
    await site.wipeJournal();
    await site.trainer.onTask(federation.open(2));
    expect(site.updates()).toHaveLength(1);
    expect(site.declines()).toEqual(['over_own_cap']);
  });
});

describe('a task is turned down', () => {
  it('when the accountant refuses, with a decline', async () => {
    await open();
    accountant.reply = (call, honest) =>
      call === 'reserve'
        ? {
            kind: 'refused',
            reason: 'over_budget',
            epsilonSpent: 1,
            epsilonIfGranted: 1.1,
            budget: { epsilon: 1, delta: 1e-5 },
          }
        : honest;
    await site.trainer.onTask(federation.open(1));
    expect(site.declines()).toEqual(['refused_by_accountant']);
    expect(site.updates()).toHaveLength(0);
  });

  it('when the operator has not accepted the plan, with a decline and before the accountant is asked', async () => {
    await open({ acceptedPlanHashes: [] });
    await site.trainer.onTask(federation.open(1));
    expect(site.declines()).toEqual(['plan_not_accepted']);
    expect(accountant.calls).toEqual([]);
  });

  it('when its weights are too few, with a decline', async () => {
    await open();
    await expect(site.trainer.onTask(federation.open(1, { weights: '' }))).rejects.toMatchObject({
      code: 'not_in_plan',
    });
    expect(site.declines()).toEqual(['not_trainable']);
    expect(accountant.calls).toEqual([]);
  });

  it.each([
    ['another plan', { planHash: 'b'.repeat(64) }],
    ['less noise', { event: { ...plan.recipe.event, sigmaSquared: 1 } }],
    ['another width', { bits: plan.recipe.bits + 1 }],
    ['another length', { length: 3 }],
    ['another index', { index: 2 }],
  ])('when it was signed for %s, of which the message says nothing, without an answer', async (_, changes) => {
    await open();
    await expect(site.trainer.onTask(federation.open(1, changes))).rejects.toMatchObject({ code: 'bad_signature' });
    expect(site.sent).toHaveLength(0);
    expect(accountant.calls).toEqual([]);
  });

  it('when the plan has no such round, without an answer', async () => {
    await open();
    for (const roundId of [`${'b'.repeat(12)}-1`, `${planHash.slice(0, 12)}-8`]) {
      await expect(site.trainer.onTask(federation.open(1, { roundId }))).rejects.toMatchObject({
        code: 'unknown_round',
      });
    }
    expect(site.sent).toHaveLength(0);
  });

  it('when somebody else signed it, without an answer', async () => {
    await open();
    const genuine = federation.open(1);
    const tampered = {
      ...genuine,
      payload: Buffer.from(Buffer.from(genuine.payload).toString().replace(`-1"`, `-2"`)),
    };
    for (const forged of [
      federation.open(1, {}, keys.region),
      tampered,
      { payload: Buffer.from('{}'), signature: genuine.signature },
    ]) {
      await expect(site.trainer.onTask(forged)).rejects.toBeInstanceOf(InvalidInputError);
    }
    expect(site.sent).toHaveLength(0);
    expect(accountant.calls).toEqual([]);
  });

  it('when its release cannot be computed, with a decline and uncharged', async () => {
    const { benchmarks } = plan;
    const margins = benchmarks.layout.margins.map((margin) => ({
      ...margin,
      histograms: margin.histograms.map((edges) => edges.toReversed()),
    }));
    const layout = { margins };
    site = await Site.open({ ...federation, plan: { ...plan, benchmarks: { ...benchmarks, layout } } }, accountant);
    const task = federation.open(6, { purpose: 'benchmarks' });
    await expect(site.trainer.onTask(task)).rejects.toThrow(/does not ascend/);
    expect(site.declines()).toEqual(['not_trainable']);
    expect(accountant.charges()).toEqual([]);
    await site.trainer.onTask(federation.open(7));
    expect(site.updates()).toHaveLength(1);
  });

  it('when the accountant knows better, for good: a completed plan', async () => {
    await open();
    accountant.reply = (call, honest) =>
      call === 'reserve' ? { kind: 'error', code: 'plan_completed', message: 'completed' } : honest;
    await expect(site.trainer.onTask(federation.open(1))).rejects.toMatchObject({ code: 'plan_completed' });
    expect(site.declines()).toEqual(['not_trainable']);
  });
});

describe('a receipt', () => {
  const receiptOf = (verdict: 'accepted' | 'late' = 'accepted') => {
    const [update] = site.updates();
    const { roundId, attempt } = update!;
    return { holder: 'alder', roundId, attempt, updateDigest: digestOf(update!), verdict };
  };

  it('ends the repetition of the same bytes, which goes on ever more rarely until then', async () => {
    await open();
    await site.trainer.onTask(federation.open(1));
    const waits: number[] = [];
    for (let seconds = 0; seconds < 300; seconds++) {
      const before = site.sent.length;
      site.nowMs += 1000;
      await site.sender.sendDue();
      if (site.sent.length > before) waits.push(seconds + 1);
    }
    expect(waits).toEqual([2, 6, 14, 30, 62, 122, 182, 242]);
    expect(new Set(site.sent.map(({ messageId }) => messageId)).size).toBe(1);
    await site.trainer.onReceipt(federation.receipt(receiptOf()));
    site.nowMs += 1_000_000;
    await site.sender.sendDue();
    expect(site.sent).toHaveLength(1 + waits.length);
  });

  it('is remembered over a restart: the task is not worked on again', async () => {
    await open();
    const task = federation.open(1);
    await site.trainer.onTask(task);
    await site.trainer.onReceipt(federation.receipt(receiptOf('late')));
    await site.trainer.onReceipt(federation.receipt(receiptOf('late')));
    await site.restart();
    await site.trainer.onTask(task);
    await site.sender.sendDue();
    expect(site.sent).toHaveLength(1);
    expect(accountant.charges()).toHaveLength(1);
    expect([...site.journal.state.attempts.values()][0]?.receipt).toEqual({ verdict: 'late' });
  });

  it('is refused when forged, for another holder, or about bytes that never left', async () => {
    await open();
    await site.trainer.onTask(federation.open(1));
    const genuine = receiptOf();
    for (const forged of [
      federation.receipt(genuine, keys.global),
      federation.receipt({ ...genuine, holder: 'birch' }),
      federation.receipt({ ...genuine, updateDigest: '0'.repeat(64) }),
      federation.receipt({ ...genuine, attempt: 2 }),
      { ...federation.receipt(receiptOf('late')), payload: federation.receipt(genuine).payload },
    ]) {
      await expect(site.trainer.onReceipt(forged)).rejects.toBeInstanceOf(InvalidInputError);
    }
    site.nowMs += 10_000;
    await site.sender.sendDue();
    expect(site.sent).toHaveLength(2);
  });
});
