import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { encodeIntegers } from '@fedcarbon/codec';
import { signAbridged, UPDATE_V1 } from '@fedcarbon/contracts';
import { fromBase64Url, fromUtf8, toBase64Url, toHex, utf8 } from '@fedcarbon/kernel';
import { modelBytes } from '@fedcarbon/learning';
import { sha256 } from '@fedcarbon/service';
import { startNats, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { setTimeout as pause } from 'node:timers/promises';
import { type Trial, Trials } from './trial.support.ts';

jest.setTimeout(90_000);

const trials = new Trials({ createDatabase: testDatabase, startNats, temporaryFolder });
const begin = trials.begin.bind(trials);
afterEach(() => trials.end());

describe('a federation of scripted holders', () => {
  it('runs its rounds, publishes, completes, and leaves a sound ledger', async () => {
    const trial = await begin();
    expect(await trial.requestStart('stranger')).toMatchObject({ kind: 'error', code: 'bad_signature' });
    expect(await trial.requestStart('operator', '0'.repeat(64))).toMatchObject({ kind: 'error', code: 'wrong_plan' });
    expect(await trial.rounds()).toEqual([]);
    expect(await trial.requestStart()).toEqual({ kind: 'started' });
    expect(await trial.requestStart()).toEqual({ kind: 'started' });
    await trial.completed();
    const rounds = await trial.rounds();
    expect(rounds.map(({ purpose, status, participants }) => [purpose, status, participants])).toEqual([
      ['model', 'released', 4],
      ['model', 'released', 4],
      ['model', 'released', 4],
      ['benchmarks', 'released', 4],
    ]);
    const verification = await trial.verify();
    expect(verification.findings).toEqual([]);
    expect(verification.verdict).toBe('sound');
    expect(verification.models).toHaveLength(3);
    // With the last round holders get the model that is published.
    const weights = fromBase64Url(trial.holders[0]?.tasks.at(-1)?.weights ?? '');
    const digest = toHex(sha256(modelBytes(new Float64Array(Uint8Array.from(weights).buffer))));
    expect(digest).toBe(verification.models.at(-1)?.modelDigest);
    await trial.until('all closes are announced', () => trial.announced.length === 4);
    expect(trial.announced.map(({ index, outcome, last }) => [index, outcome, last])).toEqual([
      [1, 'released', false],
      [2, 'released', false],
      [3, 'released', false],
      [4, 'released', true],
    ]);
    expect(trial.announced.at(-1)?.ledger).toEqual({ size: verification.size, root: verification.root });
    for (const { receipts } of trial.holders) {
      expect(receipts.map(({ verdict }) => verdict)).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    }
    for (const service of trial.services) expect(await service.stop()).toBe(0);
  });

  it('answers bad input with a reason, counts it, and goes on', async () => {
    const trial = await begin({ rounds: 2, quorum: 3, regionalDeadlineMs: 3000, globalDeadlineMs: 9000 });
    const [bad, late, ...others] = trial.holders;
    if (bad === undefined || late === undefined) throw new Error('no holders');
    const stranger = trial.federation.signer('stranger');
    bad.script = async (holder, task) => {
      if (task.index !== 1) return holder.send(await holder.update(task));
      const good = await holder.update(task, 3);
      await holder.sendBytes({ payload: utf8('\u0000garbage'), signature: new Uint8Array(64) }, 'garbage');
      await holder.sendBytes({ ...holder.sign(good), signature: new Uint8Array(64) }, 'unsigned');
      await holder.sendBytes(signAbridged(UPDATE_V1, good, stranger), 'forged');
      await holder.send({ ...good, planHash: 'f'.repeat(64) });
      await holder.send({ ...good, holder: late.member.holder });
      await holder.send({ ...good, roundId: `${task.planHash.slice(0, 12)}-99` });
      await holder.send({ ...good, attempt: 2 ** 40 });
      await holder.send(await holder.update(task, 1, encodeIntegers(new Int32Array(3), task.bits)));
      const uncharged = await holder.update(task, 2);
      await holder.send({ ...uncharged, commitSignature: toBase64Url(new Uint8Array(64)) });
      await holder.send({ ...good, attempt: 4 });
      await holder.send(good);
      await trial.until('the good one is accepted', () =>
        holder.receipts.some(({ verdict }) => verdict === 'accepted'),
      );
      await holder.send(good, 'again');
      await holder.send(await holder.update(task, 5));
    };
    late.script = async (holder, task) => {
      const update = await holder.update(task);
      if (task.index === 2) await pause(3500);
      await holder.send(update);
    };
    await trial.requestStart();
    await trial.completed();
    await trial.until('the late one is told', () => late.receipts.some(({ verdict }) => verdict === 'late'));
    const inOrder = [...bad.receipts].sort((a, b) => a.attempt - b.attempt);
    expect(
      inOrder
        .slice(0, -2)
        .map(({ roundId, attempt, verdict, reason }) => [Number(roundId.slice(13)), attempt, verdict, reason]),
    ).toEqual(
      expect.arrayContaining([
        [1, 1, 'rejected', expect.stringMatching(/takes 21 bytes, found 11/)],
        [1, 2, 'rejected', 'the accountant has not signed a commit for this release'],
        [1, 3, 'accepted', undefined],
        [1, 3, 'accepted', undefined],
      ]),
    );
    expect(bad.receipts).toContainEqual(
      expect.objectContaining({
        ...{ attempt: 4, verdict: 'rejected' },
        reason: 'the accountant has not signed a commit for this release',
      }),
    );
    expect(bad.receipts).toContainEqual(
      expect.objectContaining({ attempt: 5, verdict: 'duplicate', reason: 'attempt 3 is accepted already' }),
    );
    const refusals = trial.services.flatMap(({ log }) => log.filter(({ msg }) => msg === 'message refused'));
    expect(refusals.map(({ code }) => code).sort()).toEqual([
      ...new Array<string>(4).fill('bad_signature'),
      'invalid_input',
      'invalid_input',
      'unknown_round',
    ]);
    expect(others.flatMap(({ receipts }) => receipts.map(({ verdict }) => verdict))).not.toContain('rejected');
    expect((await trial.rounds()).map(({ status, participants }) => [status, participants])).toEqual([
      ['released', 4],
      ['released', 3],
      ['released', 4],
    ]);
    expect((await trial.verify()).findings).toEqual([]);
  });

  it('abandons a round without quorum and makes up for it', async () => {
    const trial = await begin({ rounds: 1, spareRounds: 1, quorum: 4 });
    const [holder] = trial.holders;
    if (holder === undefined) throw new Error('no holders');
    holder.script = async (_, task) => {
      if (task.index === 1) await holder.decline(task, 'not_trainable');
      else await holder.send(await holder.update(task));
    };
    await trial.requestStart();
    await trial.completed();
    expect((await trial.rounds()).map(({ purpose, status, reason }) => [purpose, status, reason])).toEqual([
      ['model', 'abandoned', '3 updates, the quorum is 4'],
      ['model', 'released', undefined],
      ['benchmarks', 'released', undefined],
    ]);
    expect((await trial.verify()).findings).toEqual([]);
    expect(await lastEntry(trial)).toMatchObject({ kind: 'federation.completed', reason: 'planned', rounds: 1 });
  });

  it('ends early when so many have left that no quorum is possible', async () => {
    const trial = await begin({ quorum: 4 });
    const [holder] = trial.holders;
    if (holder === undefined) throw new Error('no holders');
    holder.script = (_, task) => holder.decline(task, 'over_own_cap');
    await trial.requestStart();
    await trial.completed();
    expect((await trial.rounds()).map(({ status }) => status)).toEqual(['abandoned']);
    expect((await trial.verify()).findings).toEqual([]);
    expect(await lastEntry(trial)).toMatchObject({ kind: 'federation.completed', reason: 'ended_early', rounds: 0 });
  });
});

async function lastEntry(trial: Trial): Promise<unknown> {
  const body = (await trial.ledgerEntries()).at(-1)?.body ?? new Uint8Array();
  return JSON.parse(fromUtf8(body));
}
