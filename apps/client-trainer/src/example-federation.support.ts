import { randomBytes } from 'node:crypto';
import {
  type FederationPlan,
  RECEIPT_V1,
  type Receipt,
  ROUND_OPENED_V1,
  type RoundOpened,
  type SignedBytes,
  signAbridged,
} from '@fedcarbon/contracts';
import { canonicalBytes, type Json, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import { parsePlanFile, planHash, resolvePlan } from '@fedcarbon/plan';
import { roundIdOf, roundShape } from '@fedcarbon/round';
import { generateKeyPem, type SealingKey, sha256, signerFromPem } from '@fedcarbon/service';
import { simulateEnergy, writeHolderFile } from '@fedcarbon/stock';

/** A federation of one region, with keys of its own, for tests. */
export interface TestFederation {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly keys: Readonly<Record<'global' | 'accountant' | 'region', Signer>>;
  /** Private keys of the holders, PEM. */
  readonly holderPems: Readonly<Record<string, string>>;
  /** The signed opening of a round, as the region forwards it. */
  open(index: number, changes?: Partial<RoundOpened>, signer?: Signer): SignedBytes;
  /** A signed receipt. */
  receipt(
    receipt: Pick<Receipt, 'holder' | 'roundId' | 'attempt' | 'updateDigest' | 'verdict'>,
    signer?: Signer,
  ): SignedBytes;
}

const DATASET = 'uci-energy';
const STOCK_SEED = 7;

/**
 * Makes the federation `energy` with the given holders in region north; with `minSurvivors` under trust `distributed`, by double masking, or with two
 * servers, the second of which has the key `sealingKey`.
 */
export function testFederation(
  holders: readonly string[],
  rounds = 5,
  minSurvivors?: number,
  sealingKey?: SealingKey,
): TestFederation {
  const signer = () => signerFromPem(generateKeyPem());
  const keys = { global: signer(), accountant: signer(), region: signer() };
  const holderPems = Object.fromEntries(holders.map((holder) => [holder, generateKeyPem()]));
  const publicKey = ({ publicKey: key }: Signer) => toBase64Url(key);
  const file = parsePlanFile(
    {
      version: 1,
      name: 'energy',
      description: 'for tests',
      ...(minSurvivors === undefined
        ? { trust: 'local' }
        : {
            trust: 'distributed',
            secureSum: { protocol: sealingKey ? 'two-servers' : 'double-masking', minSurvivors },
          }),
      stock: { source: 'uci-energy', target: 'heating-load', featureSchema: 'uci-energy/v1', yRange: [0, 50] },
      partition: { kind: 'dirichlet', alpha: 0.5, quantiles: 10, seed: 1, testShare: 0.2 },
      regions: [{ name: 'north', clients: holders.length }],
      privacy: { epsilon: 1, delta: 1e-5 },
      nominalRecords: { total: 200, perClient: 40 },
      recipe: { kind: 'gam-sum', rounds, spareRounds: 1 },
      benchmarks: { margins: ['all', 'glazingArea'] },
      round: { quorum: minSurvivors ?? 1 },
    },
    'test plan',
  );
  const plan = resolvePlan(file, {
    simulation: true,
    data: { kind: 'simulated', seed: STOCK_SEED },
    keys: {
      global: publicKey(keys.global),
      accountant: publicKey(keys.accountant),
      checkpoint: publicKey(keys.global),
    },
    operatorKey: publicKey(keys.global),
    helper: sealingKey && { publicKey: publicKey(keys.region), sealingKey: toBase64Url(sealingKey.publicKey) },
    regions: [
      {
        name: 'north',
        publicKey: publicKey(keys.region),
        members: Object.entries(holderPems).map(([holder, pem]) => ({
          holder,
          dataset: DATASET,
          publicKey: publicKey(signerFromPem(pem)),
        })),
      },
    ],
  });
  const hash = planHash(plan, sha256);
  return {
    plan,
    planHash: hash,
    keys,
    holderPems,
    open(index, changes = {}, by = keys.global) {
      const purpose = changes.purpose ?? 'model';
      const shape = roundShape(plan, purpose);
      const weights = purpose === 'model' ? toBase64Url(new Uint8Array(8 * shape.length)) : '';
      const opened: RoundOpened = {
        ...{ planHash: hash, roundId: roundIdOf(hash, index), index, purpose, ...shape },
        ...{ seed: toHex(randomBytes(32)), openedAtMs: Date.now(), weights },
        ...changes,
      };
      return signAbridged(ROUND_OPENED_V1, opened, by);
    },
    receipt: (receipt, by = keys.region) =>
      signAbridged(RECEIPT_V1, { planHash: hash, region: 'north', ...receipt }, by),
  };
}

/** A building as its owner asks about it. */
export const exampleBuilding = {
  ...{ relativeCompactness: 0.98, surfaceAreaM2: 514.5, wallAreaM2: 294, roofAreaM2: 110.25 },
  ...{ overallHeightM: 7, orientation: 2, glazingAreaRatio: 0.1, glazingDistribution: 1 },
};

/** Holder files of `records` simulated buildings each, not overlapping. */
export function holderFile(holder: number, records: number): string {
  const all = simulateEnergy({ seed: STOCK_SEED });
  return writeHolderFile(DATASET, all.slice(holder * records, (holder + 1) * records));
}

/** Canonical JSON text of a plan file. */
export function planText(plan: FederationPlan): Uint8Array {
  return canonicalBytes(plan as Json);
}
