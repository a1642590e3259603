import { decodeIntegers } from '@fedcarbon/codec';
import {
  openAbridged,
  openStatement,
  RECEIPT_V1,
  REGIONAL_REPORT_V1,
  type RegionalReport,
  SUBJECTS,
} from '@fedcarbon/contracts';
import { fromBase64Url, utf8 } from '@fedcarbon/kernel';
import { messageBytes } from '@fedcarbon/messaging';
import { createDatabase, type Database, migrate, OutboxRepository, provisionLogin } from '@fedcarbon/persistence';
import { sha256, verifySignature } from '@fedcarbon/service';
import { FakeClock, testDatabase } from '@fedcarbon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { ExampleRegion } from './example-region.support.ts';
import { RegionCollector, RoundNotOpenedError } from './region-collector.ts';
import { storeOf } from './store.ts';

const ignore = () => undefined;

describe('RegionCollector on a real Postgres', () => {
  let database: Database;
  let example: ExampleRegion;
  let clock: FakeClock;
  let collector: RegionCollector;

  beforeAll(async () => {
    const ownerUrl = await testDatabase();
    await migrate(ownerUrl);
    const user = `region_${randomBytes(5).toString('hex')}`;
    await provisionLogin(ownerUrl, user, 'region-password', 'fc_region');
    const url = new URL(ownerUrl);
    [url.username, url.password] = [user, 'region-password'];
    database = createDatabase({ url: url.href, poolSize: 4 });
  }, 60_000);
  afterAll(() => database.close());
  // A new plan each time: new keys, so a new hash and new round ids.
  beforeEach(() => {
    example = new ExampleRegion();
    clock = new FakeClock();
    collector = newCollector();
  });

  const newCollector = () =>
    new RegionCollector({
      place: example.place,
      store: storeOf(database, 'north'),
      signer: example.signer('region'),
      ...{ sha256, verifySignature, clock },
      log: { info: ignore, warn: ignore },
      ...{ committed: ignore, faultPoint: ignore },
    });
  const update = (holder: string, options?: Parameters<typeof example.update>[1]) =>
    example.delivered(holder, example.signUpdate(example.update(holder, options)));
  const decline = (holder: string) => ({
    ...example.delivered(holder, example.signDecline(holder)),
    subject: SUBJECTS.decline('north', holder),
  });
  const roundId = () => example.opened().roundId;
  const regionKey = () => fromBase64Url(example.place.region.publicKey);
  const messages = async () => {
    const pending = await new OutboxRepository(database.sql, 'region:north').pending(1000);
    return pending.filter(({ payload }) => new TextDecoder().decode(payload).includes(roundId()));
  };
  const verdicts = async () => {
    const stored = 'SELECT holder, attempt, update_digest FROM region.update WHERE round_id = $1';
    const updates = await database.sql.query<Record<string, string | number>>(stored, [roundId()]);
    const receipts = (await messages()).filter(({ subject }) => subject.endsWith('.receipt'));
    return receipts.map((signed) => {
      const holder = signed.subject.split('.')[3] ?? '';
      // As the holder knows it.
      const contextOf = (sent: { readonly attempt: number }) => {
        const update = updates.find((row) => row['holder'] === holder && row['attempt'] === sent.attempt);
        const updateDigest = String(update?.['update_digest']);
        return { planHash: example.place.planHash, region: 'north', holder, updateDigest };
      };
      const { attempt, verdict } = openAbridged(RECEIPT_V1, signed, contextOf, regionKey(), verifySignature);
      return [holder, attempt, verdict];
    });
  };
  const reports = async (): Promise<RegionalReport[]> =>
    (await messages())
      .filter(({ subject }) => subject === SUBJECTS.regionalReport('north'))
      .map((signed) => openStatement(REGIONAL_REPORT_V1, signed, regionKey(), verifySignature));
  const sumOf = ({ aggregate }: RegionalReport) => [...decodeIntegers(fromBase64Url(aggregate)).values];

  it('forwards the same signed bytes to its members, once', async () => {
    const opening = example.signedOpening();
    await collector.onRoundOpened(opening);
    await collector.onRoundOpened(opening);
    await newCollector().onRoundOpened(opening);
    const tasks = await messages();
    expect(tasks.map(({ subject }) => subject)).toEqual(['alder', 'birch', 'cedar'].map(SUBJECTS.task));
    for (const { payload, signature } of tasks) expect({ payload, signature }).toEqual(opening);
  });

  it('refuses rounds that are not of the global tier or not in the plan', async () => {
    await expect(collector.onRoundOpened(example.signedOpening(example.opened(), 'alder'))).rejects.toMatchObject({
      code: 'bad_signature',
    });
    const other = { ...example.opened(), bits: 17 };
    await expect(collector.onRoundOpened(example.signedOpening(other))).rejects.toMatchObject({
      code: 'bad_signature',
    });
    const beyond = { ...example.opened(), roundId: `${example.place.planHash.slice(0, 12)}-6` };
    await expect(collector.onRoundOpened(example.signedOpening(beyond))).rejects.toMatchObject({
      code: 'unknown_round',
    });
    await expect(collector.onRoundOpened({ payload: utf8('{'), signature: new Uint8Array(64) })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    expect(await messages()).toEqual([]);
  });

  it('sums what is accepted as soon as everybody has answered', async () => {
    await collector.onRoundOpened(example.signedOpening());
    await Promise.all([
      collector.onUpdate(update('alder', { payload: example.payload(-5) })),
      collector.onUpdate(update('birch', { payload: example.payload(3) })),
      collector.onDecline(decline('cedar')),
    ]);
    const [report, ...more] = await reports();
    if (report === undefined) throw new Error('no report');
    expect(more).toEqual([]);
    expect(sumOf(report)).toEqual(new Array(8).fill(2 ** 16 - 2));
    expect(report.participants.map(({ holder }) => holder)).toEqual(['alder', 'birch']);
    expect(report.declined.map(({ statement }) => statement.holder)).toEqual(['cedar']);
    expect(report.verdicts).toHaveLength(2);
    const sent = [update('alder', { payload: example.payload(-5) }), update('birch'), decline('cedar')];
    expect(report.bytes.up).toBe(sent.reduce((sum, { payload }) => sum + messageBytes(payload.length), 0));
    const got = (await messages()).filter(({ subject }) => subject.startsWith('fc.v1.down.'));
    expect(report.bytes.down).toBe(got.reduce((sum, { payload }) => sum + messageBytes(payload.length), 0));
    expect(await verdicts()).toEqual(
      expect.arrayContaining([
        ['alder', 1, 'accepted'],
        ['birch', 1, 'accepted'],
      ]),
    );
  });

  it('reports at the deadline what it has, after a restart as well, and once', async () => {
    await collector.onRoundOpened(example.signedOpening());
    await collector.onUpdate(update('alder'));
    const restarted = newCollector();
    clock.advance(7999);
    await restarted.tick();
    expect(await reports()).toEqual([]);
    clock.advance(1);
    await restarted.tick();
    clock.advance(5000);
    await Promise.all([restarted.tick(), collector.tick()]);
    const [report, ...more] = await reports();
    expect(more).toEqual([]);
    expect(report?.participants.map(({ holder }) => holder)).toEqual(['alder']);
    expect(report && sumOf(report)).toEqual(new Array(8).fill(1));
  });

  it('reports a sum of zeros when nobody came', async () => {
    await collector.onRoundOpened(example.signedOpening());
    clock.advance(8000);
    await collector.tick();
    const [report] = await reports();
    expect(report?.participants).toEqual([]);
    expect(report && sumOf(report)).toEqual(new Array(8).fill(0));
  });

  it('tells late, duplicate and rejected updates, and the same update the same', async () => {
    await collector.onRoundOpened(example.signedOpening());
    const first = update('alder');
    await collector.onUpdate(first);
    await collector.onUpdate({ ...first, deliveryCount: 2 });
    await collector.onUpdate(update('alder', { attempt: 2, payload: example.payload(9) }));
    await collector.onUpdate(update('birch', { charge: { attempt: 7 } }));
    clock.advance(8001);
    await collector.onUpdate(update('cedar'));
    expect(await verdicts()).toEqual([
      ['alder', 1, 'accepted'],
      ['alder', 1, 'accepted'],
      ['alder', 2, 'duplicate'],
      ['birch', 1, 'rejected'],
      ['cedar', 1, 'late'],
    ]);
    const [report] = await reports();
    expect(report?.participants.map(({ holder }) => holder)).toEqual(['alder']);
    expect(report?.verdicts.map(({ statement }) => statement.verdict)).toEqual([
      'accepted',
      'duplicate',
      'rejected',
      'late',
    ]);
  });

  it('counts a redelivery once and gives one receipt for it', async () => {
    await collector.onRoundOpened(example.signedOpening());
    const first = update('alder');
    await Promise.all(Array.from({ length: 5 }, () => collector.onUpdate(first)));
    const stored = 'SELECT verdict FROM region.update WHERE round_id = $1';
    expect(await database.sql.query(stored, [roundId()])).toEqual([{ verdict: 'accepted' }]);
    // The verdict's own message, and one for the repeated message, however often it was redelivered.
    expect(await verdicts()).toHaveLength(2);
  });

  it('waits for a round that it has not heard of, but not for ever', async () => {
    const early = update('alder');
    await expect(collector.onUpdate(early)).rejects.toThrow(RoundNotOpenedError);
    await expect(collector.onUpdate({ ...early, deliveryCount: 20 })).rejects.toMatchObject({ code: 'unknown_round' });
    await collector.onRoundOpened(example.signedOpening());
    await collector.onUpdate({ ...early, deliveryCount: 2 });
    expect(await verdicts()).toEqual([['alder', 1, 'accepted']]);
  });

  it('lets two instances settle one round side by side', async () => {
    const other = newCollector();
    const opening = example.signedOpening();
    await Promise.all([collector.onRoundOpened(opening), other.onRoundOpened(opening)]);
    await Promise.all([
      collector.onUpdate(update('alder')),
      other.onUpdate(update('alder', { attempt: 2, payload: example.payload(2) })),
      collector.onUpdate(update('birch')),
      other.onUpdate(update('cedar')),
    ]);
    const [report, ...more] = await reports();
    expect(more).toEqual([]);
    expect(report?.participants.map(({ holder }) => holder)).toEqual(['alder', 'birch', 'cedar']);
    expect(
      (await verdicts())
        .filter(([holder]) => holder === 'alder')
        .map(([, , verdict]) => verdict)
        .sort(),
    ).toEqual(['accepted', 'duplicate']);
  });
});
