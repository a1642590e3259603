import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDatabase } from '@fedcarbon/testing';
import {
  ChargeRepository,
  type Database,
  MaskingRepository,
  type NewRound,
  OutboxRepository,
  PlanRepository,
  PublishedRepository,
  RegionRepository,
  RoundRepository,
  sqlIn,
} from './index.ts';
import { type MigratedDatabase, migratedDatabase } from './testing/migrated-database.ts';

const AT = Date.UTC(2026, 0, 1);
const bytes = (...values: number[]) => Uint8Array.from(values);
const hash = (digit: string) => digit.repeat(64);
const event = { kind: 'discreteGaussian', sigmaSquared: 1234.5, sensitivitySquared: 6, steps: 1 } as const;

const roundOf = (planHash: string, index: number): NewRound => ({
  roundId: `${planHash.slice(0, 12)}-${String(index)}`,
  planHash,
  index,
  purpose: 'model',
  seed: hash('5'),
  event,
  bits: 16,
  length: 8,
  openedAtMs: AT,
  regionalDeadlineAtMs: AT + 8000,
  deadlineAtMs: AT + 12000,
});

describe('repositories, as the roles that use them', () => {
  let db: MigratedDatabase;
  let global: Database;
  let region: Database;
  let api: Database;

  beforeAll(async () => {
    db = await migratedDatabase(await testDatabase());
    [global, region, api] = [await db.as('fc_global'), await db.as('fc_region'), await db.as('fc_api')];
  });
  afterAll(() => db.close());

  const openPlan = async (digit: string) => {
    const members = ['b', 'a'].map((holder) => ({
      holder: `${holder}-${digit}`,
      dataset: 'stock',
      region: 'north',
      publicKey: new Uint8Array(32).fill(Number(digit)),
    }));
    const plan = {
      planHash: hash(digit),
      name: `plan-${digit}`,
      body: bytes(123, 125),
      openedAtMs: AT + Number(digit),
      members,
    };
    const opened = await global.transaction((session) => new PlanRepository(session).open(plan));
    return { plan, opened };
  };

  it('PlanRepository opens a plan once and completes it once', async () => {
    const { plan, opened } = await openPlan('1');
    expect(opened).toBe(true);
    expect((await openPlan('1')).opened).toBe(false);
    const plans = new PlanRepository(global.session);
    expect(await plans.find(plan.planHash)).toEqual({
      planHash: plan.planHash,
      name: 'plan-1',
      body: bytes(123, 125),
      status: 'open',
      openedAtMs: AT + 1,
    });
    expect((await plans.members(plan.planHash)).map(({ holder }) => holder)).toEqual(['a-1', 'b-1']);
    expect(await plans.latestMembership('a-1', 'stock')).toEqual({
      planHash: plan.planHash,
      publicKey: new Uint8Array(32).fill(1),
    });
    expect(await plans.latestMembership('a-1', 'other')).toBeUndefined();
    expect(await plans.complete(plan.planHash)).toBe(true);
    expect(await plans.complete(plan.planHash)).toBe(false);
    expect(await new PlanRepository(api.session).list()).toMatchObject([{ name: 'plan-1', status: 'completed' }]);
  });

  it('PlanRepository starts a plan once', async () => {
    const { plan } = await openPlan('8');
    const plans = new PlanRepository(global.session);
    expect(await plans.start(plan.planHash, AT + 50)).toBe(true);
    expect(await plans.start(plan.planHash, AT + 60)).toBe(false);
    expect(await plans.find(plan.planHash)).toMatchObject({ startedAtMs: AT + 50 });
  });

  it('MaskingRepository keeps facts in order for good, on the driver and within a session', async () => {
    const { plan } = await openPlan('9');
    const fact = (value: number) => ({ fact: bytes(value, 0), bytesUp: value, bytesDown: 0, appendedAtMs: AT + value });
    const message = { subject: 's', messageId: 'masking:1', payload: bytes(1), signature: bytes(2) };
    await global.sql.transaction(async (sql) => {
      const masking = new MaskingRepository(sql, plan.planHash);
      expect(await masking.lockPlan()).toEqual({ status: 'open', startedAtMs: undefined });
      await masking.append(0, [fact(1), fact(2)]);
      await masking.enqueue([message, message]);
    });
    const three = await global.transaction(async (session) => {
      const masking = new MaskingRepository(sqlIn(session), plan.planHash);
      expect(await masking.lockPlan()).toEqual({ status: 'open', startedAtMs: undefined });
      expect(await masking.from(1)).toEqual([fact(2)]);
      await masking.append(2, [fact(3)]);
      await masking.enqueue([message]);
      return masking.from(0);
    });
    expect(three).toEqual([fact(1), fact(2), fact(3)]);
    const outbox = new OutboxRepository(global.sql, 'global');
    const pending = await outbox.pending(10);
    expect(pending).toMatchObject([message]);
    await outbox.markPublished(pending.map(({ id }) => id));
    const append = (from: number) => new MaskingRepository(global.sql, plan.planHash).append(from, [fact(4)]);
    await expect(append(2)).rejects.toThrow(/duplicate key/);
    for (const statement of ['DELETE FROM rounds.masking_fact', 'UPDATE rounds.masking_fact SET fact = fact']) {
      await expect(db.owner.sql.query(statement, [])).rejects.toThrow(/append-only/);
    }
  });

  it('RoundRepository keeps one round of a plan open and closes it once, for good', async () => {
    const { plan } = await openPlan('2');
    const rounds = new RoundRepository(global.sql);
    const round = roundOf(plan.planHash, 1);
    expect(await rounds.open(round)).toBe(true);
    expect(await rounds.open(round)).toBe(false);
    expect(await rounds.open(roundOf(plan.planHash, 2))).toBe(false);
    expect(await rounds.current(plan.planHash)).toEqual({ ...round, status: 'open' });

    const report = {
      roundId: round.roundId,
      region: 'north',
      payload: bytes(1),
      signature: bytes(2),
      receivedAtMs: AT,
    };
    expect(await rounds.addReport(report)).toBe(true);
    expect(await rounds.addReport({ ...report, payload: bytes(9) })).toBe(false);
    expect(await rounds.reports(round.roundId)).toEqual([report]);

    const closing = {
      status: 'released',
      closedAtMs: AT + 99,
      participants: 1,
      aggregate: bytes(7, 8),
      bytesUp: 10,
      bytesDown: 20,
      accepted: [{ holder: 'a-2', attempt: 1, updateDigest: hash('d'), region: 'north' }],
    } as const;
    const close = () =>
      global.transaction((session) => new RoundRepository(sqlIn(session)).close(round.roundId, closing));
    expect((await Promise.all([close(), close()])).sort()).toEqual([false, true]);
    const { accepted, ...closed } = closing;
    expect(await new RoundRepository(api.sql).find(round.roundId)).toEqual({ ...round, ...closed });
    const counted =
      'SELECT holder, attempt, update_digest AS "updateDigest", region FROM rounds.accepted_update WHERE round_id = $1';
    expect(await api.sql.query(counted, [round.roundId])).toEqual(accepted);
    await expect(
      global.sql.query("UPDATE rounds.round SET aggregate = 'x' WHERE round_id = $1", [round.roundId]),
    ).rejects.toThrow(/closed \(released\) and cannot change/);

    expect(await rounds.current(plan.planHash)).toBeUndefined();
    expect(await rounds.lockOpen(round.roundId)).toBe(false);
    expect(await rounds.open(roundOf(plan.planHash, 2))).toBe(true);
    expect((await rounds.list(plan.planHash)).map(({ index }) => index)).toEqual([1, 2]);
  });

  it('RoundRepository.close rolls back with its transaction', async () => {
    const { plan } = await openPlan('3');
    const round = roundOf(plan.planHash, 1);
    await new RoundRepository(global.sql).open(round);
    const crash = global.transaction(async (session) => {
      const abandoned = {
        status: 'abandoned',
        reason: 'no quorum',
        closedAtMs: AT,
        participants: 0,
        bytesUp: 0,
        bytesDown: 0,
        accepted: [],
      } as const;
      await new RoundRepository(sqlIn(session)).close(round.roundId, abandoned);
      throw new Error('crash');
    });
    await expect(crash).rejects.toThrow('crash');
    expect(await new RoundRepository(global.sql).find(round.roundId)).toMatchObject({ status: 'open' });
  });

  it('RegionRepository reads the rounds of its own region, and who has answered', async () => {
    const north = new RegionRepository(region.session, 'north');
    const round = {
      region: 'north',
      roundId: `${hash('4').slice(0, 12)}-1`,
      planHash: hash('4'),
      task: bytes(1),
      taskSignature: bytes(2),
      picked: ['a', 'b', 'c'],
      deadlineAtMs: AT + 8000,
    };
    const { roundId } = round;
    await region.sql.query(
      `INSERT INTO region.round (region, round_id, plan_hash, task, task_signature, picked, deadline_at)
        VALUES ('north', $1, $2, $3, $4, $5, $6)`,
      [roundId, round.planHash, round.task, round.taskSignature, round.picked, new Date(round.deadlineAtMs)],
    );
    expect(await new RegionRepository(region.session, 'south').round(roundId)).toBeUndefined();
    expect(await north.collecting()).toEqual([{ ...round, status: 'collecting' }]);

    const addUpdate = (holder: string, digest: string, verdict: string) =>
      region.sql.query(
        `INSERT INTO region.update (region, round_id, holder, attempt, update_digest, payload, verdict, receipt, receipt_signature, received_at)
          VALUES ('north', $1, $2, 1, $3, 'x', $4, 'x', 'x', now())`,
        [roundId, holder, hash(digest), verdict],
      );
    await addUpdate('a', 'd', 'accepted');
    await expect(addUpdate('a', 'e', 'accepted')).rejects.toThrow(/update_one_accepted_per_holder/);
    await addUpdate('a', 'e', 'duplicate');
    await addUpdate('c', 'f', 'rejected');
    await region.sql.query(
      "INSERT INTO region.declined (region, round_id, holder, decline, signature, received_at) VALUES ('north', $1, 'b', 'x', 'x', now())",
      [roundId],
    );
    expect(await north.answered(roundId)).toEqual(new Set(['a', 'b']));

    await region.sql.query(
      "UPDATE region.round SET status = 'reported', report = $2, report_signature = $3 WHERE region = 'north' AND round_id = $1",
      [roundId, bytes(3), bytes(4)],
    );
    expect(await north.collecting()).toEqual([]);
    const reported = { status: 'reported', report: bytes(3), reportSignature: bytes(4) };
    expect(await north.round(roundId)).toEqual({ ...round, ...reported });
  });

  it('PublishedRepository numbers models and releases, one a round', async () => {
    const { plan } = await openPlan('6');
    const round = roundOf(plan.planHash, 1);
    await new RoundRepository(global.sql).open(round);
    const published = new PublishedRepository(global.session);
    const of = { planHash: plan.planHash, roundId: round.roundId, digest: hash('a'), epsilon: 0.5, createdAtMs: AT };
    const model = { ...of, weights: bytes(1, 2), rounds: 3 };
    const version = await published.publishModel(model);
    await expect(published.publishModel(model)).rejects.toThrow(/[Uu]nique/);
    const release = { ...of, counts: bytes(3), noiseSd: 2.5, participants: 4 };
    const releaseVersion = await published.publishBenchmarks(release);

    const read = new PublishedRepository(api.session);
    expect(await read.models({ planHash: plan.planHash })).toEqual([{ ...model, version }]);
    expect(await read.models({ after: version })).toEqual([]);
    expect(await read.benchmarkReleases()).toEqual([{ ...release, version: releaseVersion }]);
    expect(await read.benchmarkReleases({ planHash: hash('0') })).toEqual([]);
  });

  it('OutboxRepository hands out messages in order until they are published', async () => {
    const outbox = new OutboxRepository(global.sql, 'global');
    const message = (id: string) => ({ subject: `s.${id}`, messageId: id, payload: bytes(1), signature: bytes(2) });
    await expect(
      global.transaction(async (session) => {
        await new OutboxRepository(sqlIn(session), 'global').enqueue(message('lost'));
        throw new Error('roll back');
      }),
    ).rejects.toThrow('roll back');
    await outbox.enqueue(message('1'), message('2'));
    await outbox.enqueue(message('2'), message('3'));
    const pending = await outbox.pending(2);
    expect(pending).toMatchObject([message('1'), message('2')]);
    await outbox.markPublished(pending.map(({ id }) => id));
    expect((await outbox.pending(9)).map(({ messageId }) => messageId)).toEqual(['3']);
    await outbox.enqueue(message('1'));
    expect((await outbox.pending(9)).map(({ messageId }) => messageId)).toEqual(['3']);
    await outbox.enqueueAgain(message('1'));
    expect((await outbox.pending(9)).map(({ messageId }) => messageId)).toEqual(['1', '3']);
  });

  it('ChargeRepository counts committed charges only, equal events together', async () => {
    await db.owner.sql.query(
      "INSERT INTO privacy.budget (holder, dataset, epsilon, delta) VALUES ('a', 'stock', 1, 1e-5)",
      [],
    );
    const insert = (round: number, status: string, steps: number) =>
      db.owner.sql.query(
        `INSERT INTO privacy.reservation (holder, dataset, plan_hash, round_id, attempt, sigma_squared, sensitivity_squared, steps,
           status, expires_at, update_digest, commit_statement, commit_signature, committed_at)
         SELECT 'a', 'stock', 'p', $1, 1, 1234.5, 6, $2, $3, now(), c.d, c.b, c.b, c.t
         FROM (SELECT CASE WHEN $3 = 'committed' THEN 'd' END AS d, CASE WHEN $3 = 'committed' THEN 'b'::bytea END AS b,
           CASE WHEN $3 = 'committed' THEN now() END AS t) AS c`,
        [String(round), steps, status],
      );
    for (const [i, status] of ['committed', 'committed', 'reserved', 'expired'].entries()) await insert(i, status, 1);
    await insert(9, 'committed', 2);
    for (const reader of [global, api]) {
      const charges = new ChargeRepository(reader.session);
      expect(await charges.committed()).toEqual([
        { holder: 'a', dataset: 'stock', event, count: 2 },
        { holder: 'a', dataset: 'stock', event: { ...event, steps: 2 }, count: 1 },
      ]);
      expect(await charges.budgets()).toEqual([{ holder: 'a', dataset: 'stock', epsilon: 1, delta: 1e-5 }]);
    }
    const committed = "status = 'committed'";
    await expect(
      db.owner.sql.query(`UPDATE privacy.reservation SET status = 'expired' WHERE ${committed}`, []),
    ).rejects.toThrow(/final/);
    await expect(db.owner.sql.query('DELETE FROM privacy.reservation', [])).rejects.toThrow(/never deleted/);
    await expect(db.owner.sql.query('UPDATE privacy.budget SET epsilon = 2', [])).rejects.toThrow(/only be lowered/);
  });
});
