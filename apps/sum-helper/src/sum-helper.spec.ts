import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HELPER, openMasking, type SignedBytes, SUBJECTS } from '@fedcarbon/contracts';
import { toHex } from '@fedcarbon/kernel';
import { kindOf } from '@fedcarbon/secure-sum';
import {
  FactFile,
  type FactFileOptions,
  JournalUnwritableError,
  sealingKeyFromPem,
  secureSumCrypto,
  sha256,
  signerFromPem,
  verifySignature,
} from '@fedcarbon/service';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { exampleRound } from './example-round.support.ts';
import { SumHelper } from './sum-helper.ts';

const { plan, planHash, pems, request, holders } = exampleRound();
const signer = signerFromPem(pems.helper);
const log = { info: () => undefined, warn: () => undefined };

describe('SumHelper', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let facts: FactFile;
  let helper: SumHelper;
  let sent: (SignedBytes & { readonly subject: string; readonly messageId: string })[];
  /** The broker cannot be reached. */
  let unreachable: boolean;

  const start = async (options: Partial<FactFileOptions> = {}) => {
    facts = await FactFile.open({
      ...{ path: join(folder.path, 'facts'), identity: { kind: 'sum-helper', planHash }, remedy: 'end the plan', log },
      ...options,
    });
    helper = new SumHelper({
      ...{ plan, planHash, facts, signer, sealingKey: sealingKeyFromPem(pems.sealing), sha256, verifySignature, log },
      crypto: secureSumCrypto,
      publish: (message) => {
        if (unreachable) return Promise.reject(new Error('no broker'));
        sent.push(message);
        return Promise.resolve();
      },
      faultPoint: () => undefined,
    });
  };
  const restart = async () => {
    await facts.close();
    await start();
  };
  beforeEach(async () => {
    folder = temporaryFolder('helper');
    [sent, unreachable] = [[], false];
    await start();
  });
  afterEach(async () => {
    await facts.close();
    folder.remove();
  });
  const lines = () => readFileSync(facts.path, 'utf8').split('\n').length - 2;

  it('answers a request of global-aggregator, signed', async () => {
    await helper.onRequest(request(1));
    expect(sent.map(({ subject }) => subject)).toEqual([SUBJECTS.masking(HELPER)]);
    expect(kindOf(openMasking(planHash, sent[0]!, signer.publicKey, verifySignature))).toBe('maskSum');
  });

  it('gives the same request the same answer, and remembers one a round, also after a restart', async () => {
    const first = request(1);
    await helper.onRequest(first);
    await helper.onRequest(first);
    await restart();
    await helper.onRequest(first);
    await helper.onRequest(request(2));
    expect(sent.slice(0, 3).map(({ payload, messageId }) => [toHex(payload), messageId])).toEqual(
      Array.from({ length: 3 }, () => [toHex(sent[0]!.payload), sent[0]!.messageId]),
    );
    expect(sent).toHaveLength(4);
    expect(lines()).toBe(2);
  });

  it('refuses another set of survivors for the same round, also after a restart', async () => {
    await helper.onRequest(request(1));
    const fewer = request(1, ['alder', 'birch', 'cedar']);
    const refused = { code: 'helper_refused', message: expect.stringContaining('round 0 was answered for another') };
    await expect(helper.onRequest(fewer)).rejects.toMatchObject(refused);
    await restart();
    await expect(helper.onRequest(fewer)).rejects.toMatchObject(refused);
    expect([sent.length, lines()]).toEqual([1, 1]);
  });

  it('refuses what is not signed by global-aggregator, of another plan, or of too few', async () => {
    const stranger = holders.get('alder')!;
    await expect(helper.onRequest(request(1, undefined, stranger))).rejects.toMatchObject({ code: 'bad_signature' });
    await expect(helper.onRequest(exampleRound().request(1))).rejects.toMatchObject({ code: 'bad_signature' });
    await expect(helper.onRequest(request(1, ['alder', 'birch']))).rejects.toThrow(
      '2 survivors, at least 3 are needed',
    );
    expect([sent.length, lines()]).toEqual([0, 0]);
  });

  it('says nothing that is not on disk', async () => {
    await facts.close();
    const broken = { write: () => Promise.reject(new Error('ENOSPC')), datasync: () => Promise.resolve() };
    const openFile = () =>
      Promise.resolve({ ...broken, truncate: () => Promise.resolve(), close: () => Promise.resolve() });
    await start({ openFile });
    await expect(helper.onRequest(request(1))).rejects.toBeInstanceOf(JournalUnwritableError);
    await expect(helper.onRequest(request(1))).rejects.toBeInstanceOf(JournalUnwritableError);
    expect(sent).toEqual([]);
  });

  it('answers again when the answer did not reach the broker', async () => {
    unreachable = true;
    await expect(helper.onRequest(request(1))).rejects.toThrow('no broker');
    unreachable = false;
    await helper.onRequest(request(1));
    expect([sent.length, lines()]).toEqual([1, 1]);
  });
});
