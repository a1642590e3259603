import { InvalidInputError } from '@fedcarbon/kernel';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AccountantAnswerError } from './accountant-client.ts';
import type { FaultPoint } from './ports.ts';
import { FakeAccountant } from './fake-accountant.support.ts';
import { testFederation } from './example-federation.support.ts';
import { digestOf, PlayedCrash, Site } from './site.support.ts';

const federation = testFederation(['alder']);
const { keys } = federation;

let accountant: FakeAccountant;
let site: Site;
beforeEach(async () => {
  accountant = new FakeAccountant(federation);
  site = await Site.open(federation, accountant);
});
afterEach(() => site.close());

const digests = () => site.updates().map((update) => `${update.attempt} ${digestOf(update)}`);

describe('the same task again', () => {
  it('is harmless, one after the other and side by side', async () => {
    const task = federation.open(1);
    await Promise.all([site.trainer.onTask(task), site.trainer.onTask(task), site.trainer.onTask(task)]);
    await site.trainer.onTask(task);
    expect(site.sent).toHaveLength(1);
    expect(accountant.charges()).toHaveLength(1);
  });

  it('does not cost budget for a round that is long over, once a newer one is known', async () => {
    const [old, current] = [federation.open(1), federation.open(2, { openedAtMs: site.nowMs + 20_000 })];
    site.nowMs += 20_000;
    await site.trainer.onTask(current);
    await site.trainer.onTask(old);
    expect(accountant.charges().map((charge) => charge.split('=')[0])).toEqual(['2/1']);
  });

  it('is worked on late while no newer round is known: the own clock may be wrong', async () => {
    const task = federation.open(1);
    site.nowMs += 1_000_000;
    await site.trainer.onTask(task);
    expect(accountant.charges()).toHaveLength(1);
  });
});

describe('a crash', () => {
  const points: FaultPoint[] = ['after-reserve', 'after-prepare', 'after-commit', 'after-committed', 'after-publish'];
  it.each(points)('%s costs one charge, and never makes a second digest under an attempt', async (point) => {
    const task = federation.open(1);
    site.crashAt = point;
    await expect(site.trainer.onTask(task)).rejects.toBeInstanceOf(PlayedCrash);
    const prepared = [...site.journal.state.attempts.values()].map(({ digest }) => digest);
    await site.restart();
    await site.trainer.onTask(task);
    expect(accountant.charges()).toHaveLength(1);
    expect(new Set(digests()).size).toBe(1);
    if (point !== 'after-reserve') expect(accountant.charges()[0]).toBe(`1/1=${prepared[0] ?? ''}`);
  });

  it('after the bytes are prepared is made good without the task, while the region waits for them', async () => {
    for (const [index, waitMs] of [
      [1, 0],
      [2, 9000],
    ] as const) {
      site.crashAt = 'after-prepare';
      await expect(site.trainer.onTask(federation.open(index))).rejects.toBeInstanceOf(PlayedCrash);
      await site.restart();
      site.nowMs += waitMs;
      await site.trainer.resume();
    }
    expect(accountant.charges().map((charge) => charge.split('=')[0])).toEqual(['1/1']);
    expect(site.updates()).toHaveLength(1);
  });

  it('after the charge is made good without the task: what is charged is sent on the next start', async () => {
    site.crashAt = 'after-committed';
    await expect(site.trainer.onTask(federation.open(1))).rejects.toBeInstanceOf(PlayedCrash);
    await site.restart();
    await site.sender.sendDue();
    expect(site.updates()).toHaveLength(1);
  });
});

describe('a lost journal', () => {
  it('after publishing: a new attempt, a second charge, and never two digests under one attempt', async () => {
    const task = federation.open(1);
    await site.trainer.onTask(task);
    await site.wipeJournal();
    await site.trainer.onTask(task);
    expect(accountant.charges().map((charge) => charge.split('=')[0])).toEqual(['1/1', '1/2']);
    expect(new Set(digests()).size).toBe(2);
    expect(site.updates().map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('costs nothing more when the receipt for the lost update comes before the task', async () => {
    const task = federation.open(1);
    await site.trainer.onTask(task);
    const [update] = site.updates();
    const { holder, roundId, attempt } = update!;
    const updateDigest = digestOf(update!);
    await site.wipeJournal();
    await site.trainer.rebuild();
    await site.trainer.onReceipt(federation.receipt({ holder, roundId, attempt, updateDigest, verdict: 'accepted' }));
    await site.trainer.onTask(task);
    expect(accountant.charges()).toHaveLength(1);
  });

  it('before the charge: the reservation is taken up again', async () => {
    const task = federation.open(1);
    site.crashAt = 'after-prepare';
    await expect(site.trainer.onTask(task)).rejects.toBeInstanceOf(PlayedCrash);
    site.crashAt = undefined;
    await site.wipeJournal();
    await site.trainer.onTask(task);
    expect(accountant.charges().map((charge) => charge.split('=')[0])).toEqual(['1/1']);
    expect(site.updates()).toHaveLength(1);
  });

  it('trains nothing while the accountant cannot be asked', async () => {
    site.unreachable = true;
    await expect(site.trainer.rebuild()).rejects.toThrow('nobody answers');
    await expect(site.trainer.onTask(federation.open(1))).rejects.not.toBeInstanceOf(InvalidInputError);
    expect(site.trainer.ready).toBe(false);
    site.unreachable = false;
    await site.trainer.onTask(federation.open(1));
    expect(site.updates()).toHaveLength(1);
  });
});

describe('an accountant that', () => {
  it('let the reservation lapse gets the next attempt, and the lapsed one costs nothing', async () => {
    const task = federation.open(1);
    site.crashAt = 'after-prepare';
    await expect(site.trainer.onTask(task)).rejects.toBeInstanceOf(PlayedCrash);
    accountant.expire();
    await site.restart();
    await site.trainer.onTask(task);
    expect(accountant.charges().map((charge) => charge.split('=')[0])).toEqual(['1/2']);
    expect([...site.journal.state.attempts.values()].map(({ status }) => status)).toEqual(['void', 'committed']);
  });

  it('has other bytes charged gets the next attempt, and the lost one counts', async () => {
    let once = true;
    accountant.reply = (call, honest) => {
      if (call !== 'commit' || !once) return honest;
      once = false;
      return { kind: 'refused', reason: 'digest_conflict' };
    };
    await site.trainer.onTask(federation.open(1));
    expect([...site.journal.state.attempts.values()].map(({ status }) => status)).toEqual(['spent', 'committed']);
    expect(site.updates().map(({ attempt }) => attempt)).toEqual([2]);
  });

  it('refuses every commit is asked again later, not for ever at once', async () => {
    accountant.reply = (call, honest) => (call === 'commit' ? { kind: 'refused', reason: 'expired' } : honest);
    await expect(site.trainer.onTask(federation.open(1))).rejects.toMatchObject({ code: 'try_again' });
    expect(accountant.calls.length).toBeLessThan(20);
    expect(site.updates()).toHaveLength(0);
  });

  it.each(['internal', 'database_unavailable'])(
    'fails with "%s" is asked again, and nothing is declined',
    async (code) => {
      await site.trainer.rebuild();
      accountant.reply = () => ({ kind: 'error', code, message: 'ask again' });
      await expect(site.trainer.onTask(federation.open(1))).rejects.toBeInstanceOf(AccountantAnswerError);
      expect(site.declines()).toEqual([]);
      accountant.reply = (_, honest) => honest;
      await site.trainer.onTask(federation.open(1));
      expect(site.updates()).toHaveLength(1);
    },
  );

  it('cannot be reached is asked again with the same bytes', async () => {
    const task = federation.open(1);
    accountant.reply = (call, honest) => {
      if (call === 'commit') throw new Error('nobody answers');
      return honest;
    };
    await expect(site.trainer.onTask(task)).rejects.toThrow('nobody answers');
    accountant.reply = (_, honest) => honest;
    await site.trainer.onTask(task);
    expect(accountant.charges()).toHaveLength(1);
    expect(digests()).toHaveLength(1);
  });

  type Embedded = { statement: Record<string, unknown>; signature: string };
  const grants = (change: (grant: Embedded) => object) => (call: string, honest: object) =>
    call === 'reserve' ? { ...honest, grant: change((honest as { grant: Embedded }).grant) } : honest;
  const commits = (change: (commit: Embedded) => object) => (call: string, honest: object) =>
    call === 'commit' ? { ...honest, commit: change((honest as { commit: Embedded }).commit) } : honest;
  const signature = 'A'.repeat(86);
  const other = new FakeAccountant({ ...federation, keys: { ...keys, accountant: keys.global } });
  it.each<[string, FakeAccountant['reply']]>([
    ['a grant that nobody signed', grants((grant) => ({ ...grant, signature }))],
    [
      'a grant for another attempt',
      grants(({ statement, ...rest }) => ({ ...rest, statement: { ...statement, attempt: 2 } })),
    ],
    [
      'a grant for another event',
      grants(({ statement, ...rest }) => ({
        ...rest,
        statement: { ...statement, event: { ...(statement['event'] as object), sigmaSquared: 1 } },
      })),
    ],
    ['a commit that nobody signed', commits((commit) => ({ ...commit, signature }))],
    [
      'a commit for another digest',
      commits(({ statement, ...rest }) => ({ ...rest, statement: { ...statement, updateDigest: '0'.repeat(64) } })),
    ],
    [
      'a commit for another holder',
      commits(({ statement, ...rest }) => ({ ...rest, statement: { ...statement, holder: 'birch' } })),
    ],
    ['nonsense', () => ({ kind: 'granted' })],
  ])('answers with %s is not believed, and nothing leaves', async (_, reply) => {
    await site.trainer.rebuild();
    accountant.reply = reply;
    await expect(site.trainer.onTask(federation.open(1))).rejects.toBeInstanceOf(AccountantAnswerError);
    expect(site.sent).toHaveLength(0);
    accountant.reply = (_call, honest) => honest;
    await site.trainer.onTask(federation.open(1));
    expect(site.updates()).toHaveLength(1);
  });

  const histories = (change: (history: Embedded) => object) => (call: string, honest: object) =>
    call === 'history' ? { ...honest, history: change((honest as { history: Embedded }).history) } : honest;
  it.each<[string, FakeAccountant['reply']]>([
    ['that nobody signed', histories((history) => ({ ...history, signature }))],
    [
      'with a charge left out',
      histories(({ statement, ...rest }) => ({ ...rest, statement: { ...statement, charges: [] } })),
    ],
    [
      'of an earlier question',
      histories(({ statement, ...rest }) => ({ ...rest, statement: { ...statement, nonce: '0'.repeat(64) } })),
    ],
  ])('tells a history %s: nothing is trained on it', async (_, reply) => {
    await site.trainer.rebuild();
    await site.trainer.onTask(federation.open(1));
    await site.wipeJournal();
    accountant.reply = reply;
    await expect(site.trainer.onTask(federation.open(2))).rejects.toBeInstanceOf(AccountantAnswerError);
    expect(accountant.charges()).toHaveLength(1);
  });

  it('signs with a key that the plan does not name is not believed', async () => {
    await site.trainer.rebuild();
    accountant.answer = (call, holder, signed) => other.answer(call, holder, signed);
    await expect(site.trainer.onTask(federation.open(1))).rejects.toMatchObject({ code: 'forged_grant' });
    expect(site.sent).toHaveLength(0);
  });
});
