import { RECEIPT_V1, signAbridged, signStatement, SUBJECTS } from '@fedcarbon/contracts';
import { InvalidInputError, utf8 } from '@fedcarbon/kernel';
import { messageBytes } from '@fedcarbon/messaging';
import { sha256, verifySignature } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { ExampleRegion } from './example-region.support.ts';
import { openDecline, openUpdate, problemOf, senderOf } from './messages.ts';
import { receiptBytes, updateBytes } from './message-size.ts';

const example = new ExampleRegion();
const { place } = example;
const alder = senderOf(place, SUBJECTS.update('north', 'alder'));
const birch = senderOf(place, SUBJECTS.update('north', 'birch'));
const open = (signed: { payload: Uint8Array; signature: Uint8Array }) =>
  openUpdate(place, alder, signed, { sha256, verifySignature });
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidInputError) return error.code;
    throw error;
  }
  return 'none';
};

describe('messages of holders', () => {
  it('come from members of this region', () => {
    expect(alder.dataset).toBe('alder-data');
    expect(codeOf(() => senderOf(place, SUBJECTS.update('north', 'date')))).toBe('not_a_member');
    expect(codeOf(() => senderOf(place, SUBJECTS.update('south', 'date')))).toBe('not_a_member');
  });

  it('are refused by what they say', () => {
    const update = example.update('alder');
    const short = place.planHash.slice(0, 12);
    expect(open(example.signUpdate(update)).statement).toEqual(update);
    const refused = (changes: Partial<typeof update>, signer = 'alder') =>
      codeOf(() => open(example.signUpdate({ ...update, ...changes }, signer)));
    expect(refused({}, 'birch')).toBe('bad_signature');
    expect(refused({ holder: 'birch' }, 'alder')).toBe('bad_signature');
    expect(refused({ planHash: 'e'.repeat(64) })).toBe('bad_signature');
    expect(refused({ roundId: `${short}-6` })).toBe('unknown_round');
    expect(refused({ roundId: `${short}-5` })).toBe('none');
    expect(refused({ roundId: `${'e'.repeat(12)}-1` })).toBe('unknown_round');
    expect(refused({ attempt: 2 ** 31 })).toBe('invalid_input');
    for (const text of ['', '{', '{}', '[1]', 'null', JSON.stringify(update, null, 1)]) {
      expect(codeOf(() => open({ payload: utf8(text), signature: new Uint8Array(64) }))).toBe('invalid_input');
    }
    const decline = example.signDecline('birch');
    expect(codeOf(() => openDecline(place, alder, decline, verifySignature))).toBe('bad_signature');
    expect(openDecline(place, birch, decline, verifySignature)).toMatchObject({ holder: 'birch' });
  });
});

describe('problemOf', () => {
  const opened = example.opened();
  const problem = (update: ReturnType<typeof example.update>) =>
    problemOf(place, alder, opened, open(example.signUpdate(update)), verifySignature);

  it('finds none in an honest update', () => {
    expect(problem(example.update('alder'))).toBeUndefined();
  });

  it.each([
    ['holder', { holder: 'birch' }],
    ['dataset', { dataset: 'other' }],
    ['planHash', { planHash: 'e'.repeat(64) }],
    ['roundId', { roundId: `${place.planHash.slice(0, 12)}-2` }],
    ['attempt', { attempt: 2 }],
    ['updateDigest', { updateDigest: 'e'.repeat(64) }],
  ])('refuses a commit for another %s', (_, charge) => {
    expect(problem(example.update('alder', { charge }))).toMatch(/not signed a commit for this release/);
  });

  it.each([{ sigmaSquared: 8192 }, { sensitivitySquared: 1 }, { steps: 2 }])(
    'refuses a commit for another mechanism: %j',
    (change) => {
      const charge = { event: { ...opened.event, ...change } };
      expect(problem(example.update('alder', { charge }))).toMatch(/not signed a commit for this release/);
    },
  );

  it('refuses a stranger for the accountant, and another shape', () => {
    expect(problem(example.update('alder', { accountant: 'birch' }))).toMatch(/accountant has not signed/);
    const longer = example.payload(1, { ...opened, length: opened.length + 1 });
    expect(problem(example.update('alder', { payload: longer }))).toMatch(/takes 21 bytes, found 23/);
    const other = example.payload(1).map((byte, i) => (i === 0 ? 9 : byte));
    expect(problem(example.update('alder', { payload: other }))).toMatch(/known version/);
  });
});

describe('sizes', () => {
  it('of updates are those of the messages that brought them', () => {
    for (const attempt of [1, 12]) {
      const payload = example.payload(attempt);
      const { payload: body } = example.signUpdate(example.update('alder', { attempt, payload }));
      const { roundId } = example.opened();
      expect(updateBytes({ roundId, attempt, payload })).toBe(messageBytes(body.length));
    }
  });

  it('of receipts are those of the messages, not of what is stored', () => {
    const { planHash, roundId } = example.opened();
    const place = { planHash, region: 'north', holder: 'alder', updateDigest: 'd'.repeat(64) };
    const statement = { ...place, roundId, attempt: 1, verdict: 'late' as const };
    const receipt = signStatement(RECEIPT_V1, statement, example.signer('region')).payload;
    const sent = signAbridged(RECEIPT_V1, statement, example.signer('region')).payload;
    expect(receiptBytes({ receipt })).toBe(messageBytes(sent.length));
    expect(sent.length).toBeLessThan(receipt.length);
  });
});
