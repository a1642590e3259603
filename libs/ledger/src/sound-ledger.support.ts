import { canonicalBytes, concatBytes, equalBytes, fromBase64Url, toBase64Url, toHex, utf8 } from '@fedcarbon/kernel';
import type { Json, Sha256, Signer, VerifySignature } from '@fedcarbon/kernel';
import { signCheckpoint } from './checkpoint.ts';
import { receiptMessage } from './entries.ts';
import type { LedgerEntry, LedgerPrivacyEvent, Receipt, RoundPurpose } from './entries.ts';
import { exportLines } from './export.ts';
import { HashChain } from './hash-chain.support.ts';
import { CompactRange } from './merkle-tree.ts';
import { composedEpsilon } from './verify/epsilon.ts';

/** What the tests hand in: a hash and one key pair per name. */
export interface Keys {
  readonly sha256: Sha256;
  signer(name: string): Signer;
}

/**
 * A stand-in for Ed25519 with the same lengths, so that thousands of signatures cost nothing. Anybody could forge it; no test does. `options` are
 * what the verifier is given.
 */
export function toyKeys(sha256: Sha256) {
  const signatureOf = (publicKey: Uint8Array, message: Uint8Array) =>
    concatBytes(sha256(concatBytes(publicKey, message)), sha256(message));
  const keys: Keys = {
    sha256,
    signer: (name) => {
      const publicKey = sha256(utf8(name));
      return { publicKey, sign: (message) => signatureOf(publicKey, message) };
    },
  };
  const verifySignature: VerifySignature = (publicKey, message, signature) =>
    equalBytes(signature, signatureOf(publicKey, message));
  return {
    keys,
    options: { publicKeys: { checkpoint: keys.signer('checkpoint').publicKey }, sha256, verifySignature },
  };
}

export const ORIGIN = 'fedcarbon/two-regions';

export const EVENT: LedgerPrivacyEvent = {
  kind: 'discreteGaussian',
  sigmaSquared: 144,
  sensitivitySquared: 3,
  steps: 1,
};
const BENCHMARK_EVENT: LedgerPrivacyEvent = { ...EVENT, sensitivitySquared: 2 };

/** Region of each holder. */
const REGION_OF: Readonly<Record<string, string>> = { anna: 'north', ben: 'north', carl: 'south', dora: 'south' };
export const HOLDERS = Object.keys(REGION_OF);

/** A resolved plan of two regions with two holders each. */
export function planOf(keys: Keys, budget = 8) {
  const publicKey = (name: string) => toBase64Url(keys.signer(name).publicKey);
  const region = (name: string) => ({
    name,
    publicKey: publicKey(name),
    members: HOLDERS.filter((holder) => REGION_OF[holder] === name).map((holder) => ({
      holder,
      dataset: `${holder}-stock`,
      publicKey: publicKey(holder),
      nominalRecords: 40,
    })),
  });
  return {
    version: 1,
    name: 'two-regions',
    keys: { global: publicKey('global'), accountant: publicKey('accountant'), checkpoint: publicKey('checkpoint') },
    privacy: { epsilon: budget, delta: 1e-5, trust: 'local', adjacency: 'add-or-remove-one-record' },
    regions: [region('north'), region('south')],
    recipe: {
      kind: 'gam-sum',
      binsPerFeature: [2, 3, 2],
      yRange: [2, 22],
      residualScale: 0.03,
      momentum: 0.6,
      rounds: 4,
      spareRounds: 2,
      stepSize: 0.05,
      nominalRecords: 160,
      bits: 10,
      event: EVENT,
    },
    benchmarks: {
      layout: {
        margins: [
          { name: 'all', groups: ['all'], histograms: [[2, 8, 14, 22]] },
          { name: 'country', groups: ['FR', 'other'], histograms: [[2, 8, 14, 22]] },
        ],
      },
      nominalRecords: 160,
      bits: 9,
      event: BENCHMARK_EVENT,
    },
    round: { quorum: 3 },
  };
}

export function hashOf(keys: Keys, value: Json): string {
  return toHex(keys.sha256(canonicalBytes(value)));
}

/** Signs a receipt as its region does. */
export function signReceipt(keys: Keys, receipt: Receipt): { receipt: Receipt; signature: string } {
  return { receipt, signature: toBase64Url(keys.signer(receipt.region).sign(receiptMessage(receipt))) };
}

/** Version, bits, count, then the residues, most significant bit first. */
export function pack(residues: readonly number[], bits: number): Uint8Array {
  const digits = residues.map((residue) => residue.toString(2).padStart(bits, '0')).join('');
  const body = digits.padEnd(Math.ceil(digits.length / 8) * 8, '0').match(/.{8}/g) ?? [];
  const { length } = residues;
  return Uint8Array.from([
    1,
    bits,
    length >> 16,
    (length >> 8) & 255,
    length & 255,
    ...body.map((b) => parseInt(b, 2)),
  ]);
}

/** Writes what a federation would write, one step at a time; every step leaves a sound ledger prefix. */
export class LedgerScript {
  readonly entries: LedgerEntry[] = [];
  readonly planHash: string;
  readonly #keys: Keys;
  readonly #plan: ReturnType<typeof planOf>;
  readonly #model: { weights: number[]; velocity: number[]; total: number[]; averaged: number; rounds: number };
  readonly #charged = new Map<string, LedgerPrivacyEvent[]>();
  #round: { roundId: string; index: number; purpose: RoundPurpose; charges: Map<string, number> } | undefined;
  #index = 0;
  #draws = 0;

  constructor(keys: Keys, plan = planOf(keys), before: readonly LedgerEntry[] = []) {
    this.entries.push(...before);
    this.#keys = keys;
    this.#plan = plan;
    this.planHash = hashOf(keys, plan);
    const zeros = () => new Array<number>(7).fill(0);
    this.#model = { weights: zeros(), velocity: zeros(), total: zeros(), averaged: 0, rounds: 0 };
    this.entries.push({ kind: 'federation.opened', planHash: this.planHash, plan, keys: plan.keys });
  }

  openRound(purpose: RoundPurpose): this {
    const index = ++this.#index;
    const roundId = `${this.planHash.slice(0, 12)}-${index}`;
    this.#round = { roundId, index, purpose, charges: new Map() };
    const { planHash } = this;
    const shape =
      purpose === 'model' ? { event: EVENT, bits: 10, length: 7 } : { event: BENCHMARK_EVENT, bits: 9, length: 9 };
    this.entries.push({
      kind: 'round.opened',
      planHash,
      roundId,
      index,
      purpose,
      seed: this.#digest('seed'),
      ...shape,
    });
    return this;
  }

  /** Charges a new attempt of each holder. */
  commit(...holders: string[]): this {
    const { roundId, charges } = this.#open();
    for (const holder of holders) {
      const attempt = (charges.get(holder) ?? 0) + 1;
      charges.set(holder, attempt);
      const event = this.#event();
      this.#charged.set(holder, [...(this.#charged.get(holder) ?? []), event]);
      this.entries.push({
        kind: 'privacy.committed',
        holder,
        dataset: `${holder}-stock`,
        planHash: this.planHash,
        roundId,
        attempt,
        event,
        updateDigest: this.#update(holder, attempt),
      });
    }
    return this;
  }

  refuse(holder: string): this {
    const { roundId } = this.#open();
    const refusal = {
      holder,
      dataset: `${holder}-stock`,
      planHash: this.planHash,
      roundId,
      attempt: 1,
      event: this.#event(),
    };
    this.entries.push({ kind: 'privacy.refused', ...refusal, reason: 'over budget' });
    return this;
  }

  /** Closes the round: `accepted` are in the sum when there are enough, `others` have another verdict. */
  closeRound(
    accepted: readonly string[],
    others: Readonly<Record<string, 'rejected' | 'late' | 'duplicate'>> = {},
  ): this {
    const { roundId, index, purpose, charges } = this.#open();
    const { planHash } = this;
    const update = (holder: string) => {
      const attempt = charges.get(holder) ?? 1;
      return { holder, attempt, updateDigest: this.#update(holder, attempt) };
    };
    const receipt = (holder: string, verdict: Receipt['verdict'], reason?: string) =>
      signReceipt(this.#keys, {
        planHash,
        roundId,
        ...update(holder),
        verdict,
        ...(reason === undefined ? {} : { reason }),
        region: REGION_OF[holder] ?? '',
      });
    const released = accepted.length >= 3;
    const aggregate = released ? this.#aggregate(purpose) : undefined;
    this.entries.push({
      kind: 'round.closed',
      planHash,
      roundId,
      index,
      purpose,
      outcome: released ? 'released' : 'abandoned',
      ...(released ? {} : { reason: 'below quorum' }),
      ...(aggregate ? { aggregate: toBase64Url(aggregate) } : {}),
      participants: accepted.map(update),
      verdicts: [
        ...accepted.map((holder) => receipt(holder, 'accepted')),
        ...Object.entries(others).map(([holder, verdict]) => receipt(holder, verdict, `it was ${verdict}`)),
      ],
      ...(released && purpose === 'model' ? { modelDigest: this.#modelDigest(this.#model.weights) } : {}),
    });
    return this;
  }

  publishModel(version: number): this {
    const { planHash } = this;
    const { total, averaged, weights, rounds } = this.#model;
    const modelDigest = this.#modelDigest(averaged > 0 ? total.map((sum) => sum / averaged) : weights);
    const epsilon = Math.max(...[...this.#charged.values()].map((events) => composedEpsilon(events, 1e-5)));
    const { roundId } = this.#open();
    this.entries.push({ kind: 'model.published', planHash, version, roundId, modelDigest, epsilon, rounds });
    return this;
  }

  publishBenchmarks(): this {
    const { roundId } = this.#open();
    const closed = this.entries.findLast((entry) => entry.kind === 'round.closed');
    const releaseDigest = toHex(this.#keys.sha256(fromBase64Url(closed?.aggregate ?? '')));
    this.entries.push({ kind: 'benchmarks.published', planHash: this.planHash, version: 1, roundId, releaseDigest });
    return this;
  }

  complete(reason: 'planned' | 'ended_early'): this {
    const { rounds } = this.#model;
    this.entries.push({ kind: 'federation.completed', planHash: this.planHash, reason, rounds });
    return this;
  }

  #open() {
    if (!this.#round) throw new Error('no round was opened');
    return this.#round;
  }

  #event(): LedgerPrivacyEvent {
    return this.#open().purpose === 'model' ? EVENT : BENCHMARK_EVENT;
  }

  #update(holder: string, attempt: number): string {
    return this.#digest(`${this.#open().roundId} ${holder} ${attempt}`);
  }

  #digest(text: string): string {
    return toHex(this.#keys.sha256(utf8(text)));
  }

  /** Pseudo-random residues; a model round also moves the model (design: v = 0.6 v + S / N, w = w - lr v). */
  #aggregate(purpose: RoundPurpose): Uint8Array {
    const draw = (modulus: number) => Math.floor(((++this.#draws * 0.6180339887) % 1) * modulus);
    if (purpose === 'benchmarks')
      return pack(
        Array.from({ length: 9 }, () => draw(512)),
        9,
      );
    const residues = Array.from({ length: 7 }, () => draw(1024));
    const { weights, velocity, total } = this.#model;
    const averages = this.#model.rounds++ >= 2;
    if (averages) this.#model.averaged++;
    residues.forEach((residue, i) => {
      velocity[i] = 0.6 * (velocity[i] ?? 0) + (residue >= 512 ? residue - 1024 : residue) / 160;
      weights[i] = (weights[i] ?? 0) - this.#plan.recipe.stepSize * velocity[i];
      if (averages) total[i] = (total[i] ?? 0) + weights[i];
    });
    return pack(residues, 10);
  }

  #modelDigest(weights: readonly number[]): string {
    const floats = new Uint8Array(Float64Array.from(weights).buffer); // little-endian on every machine that runs these tests
    return toHex(this.#keys.sha256(concatBytes(Uint8Array.of(1, weights.length, 0, 0, 0), floats)));
  }
}

/** A whole federation: refusals, a second attempt, late and rejected updates, an abandoned round, two models, one benchmark release. */
export function soundEntries(keys: Keys): LedgerEntry[] {
  return new LedgerScript(keys)
    .openRound('model')
    .commit(...HOLDERS)
    .closeRound(HOLDERS)
    .openRound('model')
    .commit('anna', 'ben', 'carl')
    .refuse('dora')
    .closeRound(['anna', 'ben'], { carl: 'late' })
    .openRound('model')
    .commit(...HOLDERS)
    .closeRound(['anna', 'carl', 'dora'], { ben: 'rejected' })
    .publishModel(1)
    .openRound('model')
    .commit('anna', 'ben', 'anna', 'carl', 'dora')
    .closeRound(HOLDERS)
    .openRound('model')
    .commit('anna', 'ben', 'carl')
    .closeRound(['anna', 'ben', 'carl'])
    .publishModel(2)
    .commit('dora')
    .openRound('benchmarks')
    .commit(...HOLDERS)
    .closeRound(HOLDERS)
    .publishBenchmarks()
    .complete('planned').entries;
}

/** Sizes at which a checkpoint is signed: in front of every opening of a round but the first, and at the end. */
export function checkpointSizes(entries: readonly LedgerEntry[]): number[] {
  const openings = entries.flatMap(({ kind }, seq) => (kind === 'round.opened' && seq > 1 ? [seq] : []));
  return [...openings, entries.length];
}

/** The export of a ledger that holds these entries. */
export function exportOf(keys: Keys, entries: readonly LedgerEntry[], sizes = checkpointSizes(entries)): string[] {
  const chain = new HashChain(keys.sha256);
  const range = CompactRange.empty(keys.sha256);
  const checkpoints: { note: string; size: number }[] = [];
  for (const entry of entries) {
    range.append(chain.append(entry).leafHash);
    const { size } = range;
    if (!sizes.includes(size)) continue;
    const checkpoint = { origin: ORIGIN, size, root: range.root() };
    checkpoints.push({ note: signCheckpoint(keys.sha256, keys.signer('checkpoint'), ORIGIN, checkpoint), size });
  }
  return [...exportLines(ORIGIN, chain.entries, checkpoints)];
}
