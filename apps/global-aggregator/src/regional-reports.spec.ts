import { encodeIntegers, toSigned, decodeIntegers } from '@fedcarbon/codec';
import {
  DECLINE_V1,
  type Decline,
  type Embedded,
  embedStatement,
  RECEIPT_V1,
  type Receipt,
  REGIONAL_REPORT_V1,
  type RegionalReport,
  signStatement,
} from '@fedcarbon/contracts';
import { InvalidInputError, toBase64Url } from '@fedcarbon/kernel';
import { summationOf } from '@fedcarbon/round';
import { sha256, verifySignature } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { ExampleFederation } from './example-federation.support.ts';
import { checkAggregate, combine, openReport, tallyOf } from './regional-reports.ts';

const federation = new ExampleFederation();
const { plan, planHash } = federation;
const summation = summationOf(plan, planHash, sha256);
const roundId = `${planHash.slice(0, 12)}-1`;
const digest = 'd1'.repeat(32);

const receipt = (changes: Partial<Receipt> = {}, signer = 'region-north'): Embedded<Receipt> =>
  embedStatement(
    RECEIPT_V1,
    {
      ...{ planHash, roundId, region: 'north', holder: 'north-01', attempt: 1, updateDigest: digest },
      verdict: 'accepted',
      ...changes,
    },
    federation.signer(signer),
  );
const decline = (changes: Partial<Decline> = {}, signer = 'holder-north-02'): Embedded<Decline> =>
  embedStatement(
    DECLINE_V1,
    { planHash, roundId, holder: 'north-02', reason: 'over_own_cap', ...changes },
    federation.signer(signer),
  );
const report = (changes: Partial<RegionalReport> = {}): RegionalReport => ({
  ...{ planHash, roundId, region: 'north' },
  aggregate: toBase64Url(encodeIntegers(new Int32Array(8).fill(-2), 16)),
  participants: [{ holder: 'north-01', attempt: 1, updateDigest: digest }],
  verdicts: [receipt()],
  declined: [decline()],
  bytes: { up: 10, down: 20 },
  ...changes,
});
const open = (statement: RegionalReport, region = 'north', signer = 'region-north') =>
  openReport(
    { plan, planHash },
    region,
    signStatement(REGIONAL_REPORT_V1, statement, federation.signer(signer)),
    verifySignature,
  );

describe('openReport', () => {
  it('reads what a region has signed', () => {
    expect(open(report())).toEqual(report());
    expect(tallyOf(report())).toEqual({ participants: 1, goneForGood: 1 });
    expect(tallyOf(report({ declined: [decline({ reason: 'not_trainable' })] })).goneForGood).toBe(0);
  });

  it.each<[string, Partial<RegionalReport>]>([
    ['another plan', { planHash: 'e'.repeat(64) }],
    ['another region', { region: 'south' }],
    ['a participant without a receipt', { verdicts: [] }],
    ['a participant of another attempt', { participants: [{ holder: 'north-01', attempt: 2, updateDigest: digest }] }],
    ['a participant that was rejected', { verdicts: [receipt({ verdict: 'rejected' })] }],
    ['an accepted one that does not take part', { participants: [] }],
    ['a receipt twice', { verdicts: [receipt(), receipt({ attempt: 2 })] }],
    ['a participant twice', { participants: [...report().participants, ...report().participants] }],
    ['a receipt of another round', { verdicts: [receipt({ roundId: `${planHash.slice(0, 12)}-2` })] }],
    ['a receipt for another region', { verdicts: [receipt({ region: 'south' })] }],
    ['a receipt for no member', { verdicts: [receipt(), receipt({ holder: 'south-01', verdict: 'late' })] }],
    ['a receipt that the region did not sign', { verdicts: [receipt({}, 'region-south')] }],
    ['a decline that the holder did not sign', { declined: [decline({}, 'holder-north-01')] }],
    ['a decline of another round', { declined: [decline({ roundId: `${planHash.slice(0, 12)}-2` })] }],
    ['a decline of no member', { declined: [decline({ holder: 'south-01' }, 'holder-south-01')] }],
    ['a decline twice', { declined: [decline(), decline()] }],
  ])('refuses %s', (_what, changes) => {
    expect(() => open(report(changes))).toThrow(InvalidInputError);
  });

  it('refuses a stranger and an unknown region', () => {
    expect(() => open(report(), 'north', 'region-south')).toThrow(/signature/);
    expect(() => open(report(), 'west')).toThrow(/no such region/);
  });

  it('leaves the shape of the sum to the round', () => {
    expect(() => {
      checkAggregate(summation, { index: 1, purpose: 'model' }, report());
    }).not.toThrow();
    expect(() => {
      checkAggregate(summation, { index: 1, purpose: 'benchmarks' }, report());
    }).toThrow(InvalidInputError);
  });
});

describe('combine', () => {
  it('adds sums modulo 2^bits and joins the rest', () => {
    const south = report({
      region: 'south',
      aggregate: toBase64Url(
        encodeIntegers(
          Int32Array.from({ length: 8 }, (_, i) => i),
          16,
        ),
      ),
      participants: [{ holder: 'a-first', attempt: 2, updateDigest: digest }],
      bytes: { up: 1, down: 2 },
    });
    const combined = combine([report(), south], 16);
    expect([...toSigned(decodeIntegers(combined.aggregate()).values, 16)]).toEqual([-2, -1, 0, 1, 2, 3, 4, 5]);
    expect(combined.participants.map(({ holder }) => holder)).toEqual(['a-first', 'north-01']);
    expect(combined.accepted.map(({ region }) => region)).toEqual(['south', 'north']);
    expect(combined.bytes).toEqual({ up: 11, down: 22 });
    expect(combined.verdicts).toHaveLength(2);
  });

  it('is nothing without reports', () => {
    expect(combine([], 16)).toMatchObject({ participants: [], verdicts: [], bytes: { up: 0, down: 0 } });
  });
});
