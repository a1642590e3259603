import { decodeIntegers, encodeIntegers, sumModulo } from '@fedcarbon/codec';
import {
  DECLINE_V1,
  type FederationPlan,
  isEmbeddedSignedBy,
  openStatement,
  RECEIPT_V1,
  REGIONAL_REPORT_V1,
  type RegionalReport,
  type SignedBytes,
} from '@fedcarbon/contracts';
import { fromBase64Url, InvalidInputError, type VerifySignature } from '@fedcarbon/kernel';
import type { RoundClosed } from '@fedcarbon/ledger';
import type { AcceptedUpdateRow } from '@fedcarbon/persistence';
import type { RegionTally, RoundInPlan, Summation } from '@fedcarbon/round';

const GONE_FOR_GOOD: readonly string[] = ['refused_by_accountant', 'over_own_cap', 'plan_not_accepted'];

/**
 * Reads the report of `region` and checks all that can be known without the round's state: it and every receipt are signed by the region, every decline by
 * its holder, all are about this plan and one round, and the participants are members with one accepting receipt each.
 * Throws InvalidInputError.
 */
export function openReport(
  { plan, planHash }: { readonly plan: FederationPlan; readonly planHash: string },
  region: string,
  signed: SignedBytes,
  verify: VerifySignature,
): RegionalReport {
  const refuse = (what: string, code = 'wrong_report'): never => {
    throw new InvalidInputError(`report of ${region}: ${what}`, { code });
  };
  const tier = plan.regions.find(({ name }) => name === region);
  if (tier === undefined) return refuse('the plan has no such region', 'unknown_region');
  const regionKey = fromBase64Url(tier.publicKey);
  const report = openStatement(REGIONAL_REPORT_V1, signed, regionKey, verify);
  if (report.region !== region) refuse(`it says that it is of ${report.region}`);
  if (report.planHash !== planHash) refuse(`it is under plan ${report.planHash}`, 'wrong_plan');
  const { roundId } = report;
  const memberKeys = new Map(tier.members.map(({ holder, publicKey }) => [holder, publicKey]));

  const accepted = new Map<string, RegionalReport['participants'][number]>();
  for (const verdict of report.verdicts) {
    const receipt = verdict.statement;
    const about = `the receipt for ${receipt.holder}`;
    if (receipt.planHash !== planHash || receipt.roundId !== roundId || receipt.region !== region) {
      refuse(`${about} is about another plan, round or region`);
    }
    if (!memberKeys.has(receipt.holder)) refuse(`${about} is about no member`);
    if (!isEmbeddedSignedBy(RECEIPT_V1, verdict, regionKey, verify)) refuse(`${about} is not signed by the region`);
    if (receipt.verdict !== 'accepted') continue;
    if (accepted.has(receipt.holder)) refuse(`${receipt.holder} is accepted twice`);
    accepted.set(receipt.holder, receipt);
  }
  for (const { holder, attempt, updateDigest } of report.participants) {
    const receipt = accepted.get(holder);
    if (receipt?.attempt !== attempt || receipt.updateDigest !== updateDigest) {
      refuse(`${holder} takes part without an accepting receipt`);
    }
    accepted.delete(holder);
  }
  const left = [...accepted.keys()];
  if (left.length > 0) refuse(`${left.join(', ')} accepted, yet not among the participants`);

  const declined = new Set<string>();
  for (const decline of report.declined) {
    const { holder, planHash: declinedPlan, roundId: declinedRound } = decline.statement;
    const key = memberKeys.get(holder);
    if (key === undefined || declinedPlan !== planHash || declinedRound !== roundId || declined.has(holder)) {
      return refuse(`the decline of ${holder} does not belong here`);
    }
    declined.add(holder);
    if (!isEmbeddedSignedBy(DECLINE_V1, decline, fromBase64Url(key), verify)) {
      refuse(`the decline of ${holder} is not signed by it`);
    }
  }
  return report;
}

/** Throws InvalidInputError unless the report's sum has the shape of its round and, as far as it shows, is over the report's participants. */
export function checkAggregate(summation: Summation, round: RoundInPlan, report: RegionalReport): void {
  const holders = report.participants.map(({ holder }) => holder);
  summation.checkSum(round, holders, fromBase64Url(report.aggregate));
}

/** What the course of rounds depends on. */
export function tallyOf(report: RegionalReport): RegionTally {
  return {
    participants: report.participants.length,
    goneForGood: report.declined.filter(({ statement }) => GONE_FOR_GOOD.includes(statement.reason)).length,
  };
}

/** The reports of a round as one. */
export interface Combined {
  readonly participants: RoundClosed['participants'];
  readonly verdicts: RoundClosed['verdicts'];
  readonly accepted: readonly AcceptedUpdateRow[];
  readonly bytes: { readonly up: number; readonly down: number };
  /** Packed modular sum over all regions that reported, of updates that are not masked; not to be asked for when none did. */
  aggregate(): Uint8Array;
}

/** Joins the reports, in order of region. A region without a report is not in it. */
export function combine(reports: readonly RegionalReport[], bits: number): Combined {
  const accepted = reports
    .flatMap(({ region, participants }) => participants.map((participant) => ({ ...participant, region })))
    .sort((a, b) => (a.holder < b.holder ? -1 : 1));
  return {
    accepted,
    participants: accepted.map(({ holder, attempt, updateDigest }) => ({ holder, attempt, updateDigest })),
    verdicts: reports.flatMap(({ verdicts }) =>
      verdicts.map(({ statement: { reason, ...receipt }, signature }) => ({
        receipt: { ...receipt, ...(reason === undefined ? {} : { reason }) },
        signature,
      })),
    ),
    bytes: {
      up: reports.reduce((sum, { bytes }) => sum + bytes.up, 0),
      down: reports.reduce((sum, { bytes }) => sum + bytes.down, 0),
    },
    aggregate: () =>
      encodeIntegers(
        sumModulo(
          reports.map(({ aggregate }) => decodeIntegers(fromBase64Url(aggregate)).values),
          bits,
        ),
        bits,
      ),
  };
}
