import { encodeIntegers } from '@fedcarbon/codec';
import {
  COMMIT_V1,
  type CommitStatement,
  DECLINE_V1,
  type Decline,
  embedStatement,
  ROUND_OPENED_V1,
  type RoundOpened,
  signAbridged,
  type SignedBytes,
  SUBJECTS,
  UPDATE_V1,
  type Update,
} from '@fedcarbon/contracts';
import { examplePlan, exampleSecureSum } from '@fedcarbon/contracts/testing';
import { canonicalBytes, type Json, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import { roundIdOf, roundShape, summationOf } from '@fedcarbon/round';
import { generateKeyPem, sha256, signerFromPem } from '@fedcarbon/service';
import type { RegionInPlan } from './messages.ts';
import type { Incoming } from './region-collector.ts';

/** A plan with two regions and keys for everybody; what the first region gets to read. For tests. */
export class ExampleRegion {
  readonly place: RegionInPlan;
  readonly #signers = new Map<string, Signer>();
  #sequence = 0;

  constructor({
    clientsPerRegion = null,
    masked = false,
  }: { readonly clientsPerRegion?: number | null; readonly masked?: boolean } = {}) {
    const publicKey = (name: string) => toBase64Url(this.signer(name).publicKey);
    const member = (holder: string) => ({
      holder,
      dataset: `${holder}-data`,
      publicKey: publicKey(holder),
      nominalRecords: 100,
    });
    const plan = examplePlan({
      keys: { global: publicKey('global'), accountant: publicKey('accountant'), checkpoint: publicKey('checkpoint') },
      operatorKey: publicKey('operator'),
      privacy: { secureSum: masked ? exampleSecureSum(3, { model: 2048, benchmarks: 2048 }) : null },
      regions: [
        { name: 'north', publicKey: publicKey('region'), members: ['alder', 'birch', 'cedar'].map(member) },
        { name: 'south', publicKey: publicKey('other region'), members: [member('date')] },
      ],
      round: { clientsPerRegion },
    });
    const [region] = plan.regions;
    if (region === undefined) throw new Error('the plan has no region');
    const planHash = toHex(sha256(canonicalBytes(plan as Json)));
    this.place = { plan, planHash, region, summation: summationOf(plan, planHash, sha256) };
  }

  signer(name: string): Signer {
    const signer = this.#signers.get(name) ?? signerFromPem(generateKeyPem());
    this.#signers.set(name, signer);
    return signer;
  }

  opened(index = 1): RoundOpened {
    const { plan, planHash } = this.place;
    return {
      ...{ planHash, roundId: roundIdOf(planHash, index), index, purpose: 'model', seed: '5e'.repeat(32) },
      ...roundShape(plan, 'model'),
      openedAtMs: Date.UTC(2026, 0, 1),
      weights: toBase64Url(new Uint8Array(64)),
    };
  }

  signedOpening(opened = this.opened(), signer = 'global'): SignedBytes {
    return signAbridged(ROUND_OPENED_V1, opened, this.signer(signer));
  }

  /** Packed integers, all equal to `value`. */
  payload(value: number, opened = this.opened()): Uint8Array {
    return encodeIntegers(new Int32Array(opened.length).fill(value), opened.bits);
  }

  /** A charged update; `charge` changes what the accountant signs. */
  update(
    holder: string,
    {
      attempt = 1,
      payload = this.payload(1),
      opened = this.opened(),
      charge = {},
      accountant = 'accountant',
    }: {
      readonly attempt?: number;
      readonly payload?: Uint8Array;
      readonly opened?: RoundOpened;
      readonly charge?: Partial<CommitStatement>;
      readonly accountant?: string;
    } = {},
  ): Update {
    const { planHash, roundId, event } = opened;
    const updateDigest = toHex(sha256(payload));
    const key = { holder, dataset: `${holder}-data`, planHash, roundId, attempt };
    const commit = embedStatement(COMMIT_V1, { ...key, event, updateDigest, ...charge }, this.signer(accountant));
    return { planHash, roundId, holder, attempt, payload: toBase64Url(payload), commitSignature: commit.signature };
  }

  signUpdate(update: Update, signer = update.holder): SignedBytes {
    return signAbridged(UPDATE_V1, update, this.signer(signer));
  }

  signDecline(holder: string, reason: Decline['reason'] = 'not_trainable', opened = this.opened()): SignedBytes {
    const { planHash, roundId } = opened;
    return signAbridged(DECLINE_V1, { planHash, roundId, holder, reason }, this.signer(holder));
  }

  /** As the broker delivers it. */
  delivered(holder: string, signed: SignedBytes, deliveryCount = 1): Incoming {
    return { ...signed, subject: SUBJECTS.update('north', holder), deliveryCount, sequence: ++this.#sequence };
  }
}
