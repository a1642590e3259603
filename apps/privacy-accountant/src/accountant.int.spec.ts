import { setTimeout as pause } from 'node:timers/promises';
import {
  COMMIT_V1,
  type CommitReply,
  GRANT_V1,
  isEmbeddedSignedBy,
  type MechanismEvent,
  type ReserveReply,
} from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { type Database, DatabaseUnavailableError, PlanRepository, PrivacyRepository } from '@fedcarbon/persistence';
import { type MigratedDatabase, migratedDatabase } from '@fedcarbon/persistence/testing';
import { createAccountant, epsilonOf } from '@fedcarbon/privacy';
import { sha256, verifySignature } from '@fedcarbon/service';
import { FakeClock, startPostgres, testDatabase } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Accountant, type AccountantParts } from './accountant.ts';
import { ExampleFederation } from './example-federation.support.ts';
import { PlanDirectory } from './plan-directory.ts';
import { type Seen, SerialModel } from './serial-model.support.ts';

const TTL_MS = 60_000;
const event: MechanismEvent = { kind: 'discreteGaussian', sigmaSquared: 128, sensitivitySquared: 2, steps: 1 };
/** Four charges of `event` fit in, five do not. */
const budget = { epsilon: 1, delta: 1e-5 };
const composer = createAccountant();

function accountantOf(federation: ExampleFederation, database: Database, parts: Partial<AccountantParts> = {}) {
  return new Accountant({
    record: new PrivacyRepository(database.sql),
    plans: new PlanDirectory(new PlanRepository(database.session), sha256),
    composer,
    signer: federation.accountant,
    verifySignature,
    clock: new FakeClock(),
    reservationTtlMs: TTL_MS,
    ...parts,
  });
}

async function openPlan(database: Database, federation: ExampleFederation, openedAtMs = 1): Promise<void> {
  await database.transaction((session) => new PlanRepository(session).open(federation.newPlan(openedAtMs)));
}

/** Asks again, as a holder does, as long as the database is away or too busy. */
async function untilAnswered<T>(ask: () => Promise<T>, onRetry: () => void = () => undefined): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      onRetry();
      await pause(20);
    }
  }
}

/** Everything that stands in the record of a holder: charges by status, and what the ledger says of them. */
async function recordOf(db: MigratedDatabase, holder: string) {
  const charges = await db.owner.sql.query<{ status: string; n: number; sensitivity_squared: number }>(
    'SELECT status, sensitivity_squared, count(*)::int AS n FROM privacy.reservation WHERE holder = $1 GROUP BY 1, 2',
    [holder],
  );
  const entries = await db.owner.sql.query<{ kind: string; key: string; digest: string | null }>(
    `SELECT kind, concat_ws(' ', body->>'planHash', body->>'roundId', body->>'attempt') AS key, body->>'updateDigest' AS digest
     FROM (SELECT kind, convert_from(body, 'UTF8')::jsonb AS body FROM ledger.entry) AS entry WHERE body->>'holder' = $1`,
    [holder],
  );
  const of = (kind: string) => entries.filter((entry) => entry.kind === kind).map(({ key, digest }) => [key, digest]);
  const events = charges.flatMap(({ status, n, sensitivity_squared: sensitivitySquared }) =>
    status === 'expired' ? [] : Array.from({ length: n }, () => ({ ...event, sensitivitySquared })),
  );
  return { charges, events, committed: of('privacy.committed'), refused: of('privacy.refused') };
}

function seen(reply: ReserveReply | CommitReply): Seen {
  switch (reply.kind) {
    case 'granted':
      return {
        kind: 'granted',
        expiresAtMs: reply.grant.statement.expiresAtMs,
        epsilonAfter: reply.epsilonAfter,
        budget: reply.budget,
      };
    case 'refused':
      if (!('budget' in reply)) return { kind: 'not committed', reason: reply.reason };
      return {
        kind: 'refused',
        epsilonSpent: reply.epsilonSpent,
        epsilonIfGranted: reply.epsilonIfGranted,
        budget: reply.budget,
      };
    case 'committed':
      return { kind: 'committed', updateDigest: reply.commit.statement.updateDigest };
    case 'error':
      throw new Error(reply.message);
  }
}

describe('Accountant on a real Postgres', () => {
  let db: MigratedDatabase;
  let database: Database;
  const federation = new ExampleFederation({ clients: 80, budget, event });
  const lower = new ExampleFederation({
    clients: 80,
    budget: { epsilon: 0.7, delta: 1e-6 },
    event,
    before: federation,
  });

  beforeAll(async () => {
    db = await migratedDatabase(await testDatabase());
    await openPlan(db.owner, federation);
    await openPlan(db.owner, lower, 2);
    database = await db.as('fc_accountant', 16);
  });
  afterAll(() => db.close());

  it('answers as a slow serial model does, whatever the order, the repetitions, the faults and the restarts', async () => {
    const call = {
      plan: fc.constantFrom(federation, federation, federation, lower),
      round: fc.integer({ min: 1, max: 6 }),
      attempt: fc.integer({ min: 1, max: 2 }),
    };
    const fault = fc.constantFrom('none' as const, 'none' as const, 'before' as const, 'after' as const);
    const operation = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ kind: fc.constant('reserve' as const), ...call, half: fc.boolean(), fault }),
      },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('commit' as const),
          ...call,
          bytes: fc.constantFrom('x', 'y'),
          fault,
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, TTL_MS / 2, TTL_MS) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('history' as const) }) },
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
        const holder = federation.holders[runs++] ?? '';
        const model = new SerialModel(TTL_MS);
        const clock = new FakeClock();
        // The accountant is killed before the database hears of a request, or after it has committed and before the holder hears of it.
        let dieAt: 'none' | 'before' | 'after' = 'none';
        const whole = new PrivacyRepository(database.sql);
        const dying = async <T>(work: () => Promise<T>): Promise<T> => {
          if (dieAt === 'before') throw new DatabaseUnavailableError();
          const result = await work();
          if (dieAt === 'after') throw new DatabaseUnavailableError();
          return result;
        };
        const record: AccountantParts['record'] = {
          find: (key) => whole.find(key),
          history: (...args) => whole.history(...args),
          reserve: (...args) => dying(() => whole.reserve(...args)),
          charge: (...args) => dying(() => whole.charge(...args)),
        };
        const start = () => accountantOf(federation, database, { clock, record });
        let accountant = start();
        const firstCommits = new Map<string, unknown>();

        for (const operation of operations) {
          if (operation.kind === 'wait') {
            clock.advance(operation.ms);
          } else if (operation.kind === 'restart') {
            accountant = start();
          } else if (operation.kind === 'history') {
            const reply = await accountant.history(holder, federation.history(holder));
            if (reply.kind !== 'history') throw new Error(reply.message);
            const found = reply.history.statement.charges.map(
              (charge) =>
                [`${charge.planHash} ${charge.roundId} ${String(charge.attempt)}`, charge.updateDigest] as const,
            );
            expect(new Map(found)).toEqual(model.history(clock.nowMs()));
            expect(reply.history.statement.budget).toEqual(model.budget ?? null);
          } else {
            const { plan, round, attempt } = operation;
            const key = `${plan.planHash} ${plan.planHash.slice(0, 12)}-${String(round)} ${String(attempt)}`;
            const ask = async (): Promise<Seen | undefined> => {
              try {
                if (operation.kind === 'reserve') {
                  const wanted = operation.half ? plan.plan.benchmarks.event : event;
                  const reply = await accountant.reserve(holder, plan.reserve(holder, round, attempt, wanted));
                  if (reply.kind === 'granted') {
                    const { publicKey } = federation.accountant;
                    expect(isEmbeddedSignedBy(GRANT_V1, reply.grant, publicKey, verifySignature)).toBe(true);
                  }
                  return seen(reply);
                }
                const reply = await accountant.commit(holder, plan.commit(holder, round, attempt, operation.bytes));
                if (reply.kind === 'committed') {
                  const { publicKey } = federation.accountant;
                  expect(isEmbeddedSignedBy(COMMIT_V1, reply.commit, publicKey, verifySignature)).toBe(true);
                  if (!firstCommits.has(key)) firstCommits.set(key, reply.commit);
                  expect(reply.commit).toEqual(firstCommits.get(key));
                }
                return seen(reply);
              } catch (error) {
                if (error instanceof InvalidInputError) return { kind: 'error', code: error.code };
                if (error instanceof DatabaseUnavailableError) return undefined;
                throw error;
              }
            };
            dieAt = operation.fault;
            const first = await ask();
            dieAt = 'none';
            if (first === undefined) accountant = start();
            const answer = first ?? (await ask());
            const expected =
              operation.kind === 'reserve'
                ? model.reserve(
                    key,
                    operation.half ? plan.plan.benchmarks.event : event,
                    plan.plan.privacy,
                    clock.nowMs(),
                  )
                : model.commit(key, plan.commitDigest(operation.bytes));
            expect(answer).toEqual(expected);
          }
        }
        const { committed, refused } = await recordOf(db, holder);
        const charged = [...model.charges].flatMap(([key, { updateDigest }]) =>
          updateDigest ? [[key, updateDigest]] : [],
        );
        expect(new Map(committed as [string, string][])).toEqual(new Map(charged as [string, string][]));
        expect(committed).toHaveLength(charged.length);
        expect(refused.map(([key]) => key).sort()).toEqual([...model.refusedKeys].sort());
      }),
      { numRuns: 40, endOnFailure: true },
    );
  }, 120_000);

  it('never goes over the budget and loses nothing under 1,000 concurrent reservations of one client', async () => {
    const small: MechanismEvent = { ...event, sigmaSquared: 16384, sensitivitySquared: 2 };
    const crowd = new ExampleFederation({ clients: 1, budget, event: small, prefix: 'crowd' });
    await openPlan(db.owner, crowd, 3);
    const [holder = ''] = crowd.holders;
    const second = await db.as('fc_accountant', 16);
    const accountants = [database, second].map((one) => accountantOf(crowd, one));
    const replies = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => {
        const accountant = accountants[i % 2] as Accountant;
        return untilAnswered(() => accountant.reserve(holder, crowd.reserve(holder, i + 1)));
      }),
    );
    let fits = 0;
    while (epsilonOf([{ ...small, steps: fits + 1 }], budget.delta).epsilon <= budget.epsilon) fits++;
    expect(fits).toBeGreaterThan(100);
    expect(fits).toBeLessThan(900);
    const granted = replies.filter((reply) => reply.kind === 'granted');
    expect(granted).toHaveLength(fits);
    expect(replies.filter(({ kind }) => kind === 'refused')).toHaveLength(1000 - fits);
    // Each grant was decided on a history of its own: one after the other, none twice.
    expect(new Set(granted.map(({ epsilonAfter }) => epsilonAfter)).size).toBe(fits);
    const { charges, refused } = await recordOf(db, holder);
    expect(charges).toEqual([{ status: 'reserved', sensitivity_squared: 2, n: fits }]);
    expect(refused).toHaveLength(1000 - fits);
  }, 120_000);

  it('charges each key once, for one digest, when two accountants get competing commits of many clients at once', async () => {
    const rivals = new ExampleFederation({ clients: 12, budget, event, prefix: 'rival' });
    await openPlan(db.owner, rivals, 4);
    const second = await db.as('fc_accountant', 16);
    const accountants = [database, second].map((one) => accountantOf(rivals, one));
    const keys = rivals.holders.flatMap((holder) => [1, 2, 3].map((round) => ({ holder, round })));
    await Promise.all(keys.map(({ holder, round }) => accountants[0]?.reserve(holder, rivals.reserve(holder, round))));
    const outcomes = await Promise.all(
      keys.map(async ({ holder, round }) => {
        const asked = ['x', 'y', 'x', 'y'].map((bytes, i) =>
          accountants[(i + round) % 2]?.commit(holder, rivals.commit(holder, round, 1, bytes)),
        );
        const replies = (await Promise.all(asked)).map((reply) => reply && seen(reply));
        const kinds = replies.map((reply) => reply?.kind).sort();
        expect(kinds).toEqual(['committed', 'committed', 'not committed', 'not committed']);
        expect(replies).toContainEqual({ kind: 'not committed', reason: 'digest_conflict' });
        const winner = replies.find((reply) => reply?.kind === 'committed');
        return [`${holder} ${String(round)}`, winner?.updateDigest] as const;
      }),
    );
    const charged = await db.owner.sql.query<{ key: string; digest: string }>(
      `SELECT concat(body->>'holder', ' ', split_part(body->>'roundId', '-', 2)) AS key, body->>'updateDigest' AS digest
       FROM (SELECT convert_from(body, 'UTF8')::jsonb AS body FROM ledger.entry WHERE kind = 'privacy.committed') AS entry
       WHERE body->>'holder' LIKE 'rival-%'`,
      [],
    );
    expect(charged).toHaveLength(keys.length);
    expect(new Map(charged.map(({ key, digest }) => [key, digest]))).toEqual(new Map(outcomes));
  });
});

describe('Accountant while Postgres restarts', () => {
  it('asks to ask again, charges nothing twice and goes on', async () => {
    const postgres = await startPostgres();
    const db = await migratedDatabase(await postgres.createDatabase());
    try {
      const federation = new ExampleFederation({ clients: 6, budget, event });
      await openPlan(db.owner, federation);
      const accountant = accountantOf(federation, await db.as('fc_accountant', 8));
      let unavailable = 0;
      let committed = 0;
      const onRetry = () => unavailable++;
      const clients = federation.holders.map(async (holder) => {
        for (let round = 1; round <= 4; round++) {
          const reserved = await untilAnswered(
            () => accountant.reserve(holder, federation.reserve(holder, round)),
            onRetry,
          );
          expect(reserved.kind).toBe('granted');
          const reply = await untilAnswered(() => accountant.commit(holder, federation.commit(holder, round)), onRetry);
          expect(reply.kind).toBe('committed');
          const count = ++committed;
          if (count === 4) await postgres.kill9().then(() => postgres.restart());
          if (count === 12) await postgres.restart();
        }
      });
      await Promise.all(clients);
      expect(unavailable).toBeGreaterThan(0);
      for (const holder of federation.holders) {
        const record = await recordOf(db, holder);
        expect(record.charges).toEqual([{ status: 'committed', sensitivity_squared: 2, n: 4 }]);
        expect(record.committed).toHaveLength(4);
        expect(epsilonOf(record.events, budget.delta).epsilon).toBeLessThanOrEqual(budget.epsilon);
      }
    } finally {
      await db.close();
      await postgres.stop();
    }
  }, 120_000);
});
