import { createHash } from 'node:crypto';
import {
  COMMIT_REQUEST_V1,
  type FederationPlan,
  HISTORY_REQUEST_V1,
  type MechanismEvent,
  RESERVE_REQUEST_V1,
  type SignedBytes,
  signStatement,
} from '@fedcarbon/contracts';
import { examplePlan } from '@fedcarbon/contracts/testing';
import { canonicalBytes, type Json, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import type { NewPlan } from '@fedcarbon/persistence';
import { generateKeyPem, sha256, signerFromPem } from '@fedcarbon/service';

/** A plan with keys for everybody in it, and the requests that its holders sign. For tests and measurements of the accountant. */
export class ExampleFederation {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly accountantPem: string;
  readonly accountant: Signer;
  readonly #holders = new Map<string, Signer>();

  constructor(options: {
    readonly clients: number;
    readonly budget: { readonly epsilon: number; readonly delta: number };
    readonly event: MechanismEvent;
    /** An earlier plan of the same holders. */
    readonly before?: ExampleFederation;
    /** Start of the holders' names; data sets are called after them. */
    readonly prefix?: string;
  }) {
    const { clients, budget, event, before, prefix = 'holder' } = options;
    this.accountantPem = before?.accountantPem ?? generateKeyPem();
    this.accountant = signerFromPem(this.accountantPem);
    const publicKey = (signer: Signer) => toBase64Url(signer.publicKey);
    const other = publicKey(signerFromPem(generateKeyPem()));
    for (let i = 1; i <= clients; i++) {
      const name = `${prefix}-${String(i).padStart(2, '0')}`;
      this.#holders.set(name, before?.signer(name) ?? signerFromPem(generateKeyPem()));
    }
    this.plan = examplePlan({
      name: before === undefined ? 'example' : 'example-again',
      keys: { global: other, accountant: publicKey(this.accountant), checkpoint: other },
      operatorKey: other,
      privacy: budget,
      regions: [
        {
          name: 'north',
          publicKey: other,
          members: [...this.#holders].map(([holder, signer]) => ({
            holder,
            dataset: `${holder}-data`,
            publicKey: publicKey(signer),
            nominalRecords: 100,
          })),
        },
      ],
      recipe: { rounds: 10, spareRounds: 2, event },
      benchmarks: { event: { ...event, sensitivitySquared: 1 } },
    });
    this.planHash = toHex(sha256(canonicalBytes(this.plan as Json)));
  }

  get holders(): readonly string[] {
    return [...this.#holders.keys()];
  }

  signer(holder: string): Signer {
    const signer = this.#holders.get(holder);
    if (signer === undefined) throw new RangeError(`no holder "${holder}"`);
    return signer;
  }

  /** As global-aggregator stores it. */
  newPlan(openedAtMs: number): NewPlan {
    const members = this.plan.regions.flatMap(({ name, members }) =>
      members.map(({ holder, dataset }) => ({
        holder,
        dataset,
        region: name,
        publicKey: this.signer(holder).publicKey,
      })),
    );
    return {
      planHash: this.planHash,
      name: this.plan.name,
      body: canonicalBytes(this.plan as Json),
      openedAtMs,
      members,
    };
  }

  #charge(holder: string, round: number, attempt: number) {
    return {
      holder,
      dataset: `${holder}-data`,
      planHash: this.planHash,
      roundId: `${this.planHash.slice(0, 12)}-${String(round)}`,
      attempt,
    };
  }

  reserve(holder: string, round: number, attempt = 1, event: MechanismEvent = this.plan.recipe.event): SignedBytes {
    const request = { ...this.#charge(holder, round, attempt), event };
    return signStatement(RESERVE_REQUEST_V1, request, this.signer(holder));
  }

  /** Digest of the bytes that stand for an update. */
  commitDigest(bytes: string): string {
    return createHash('sha256').update(bytes).digest('hex');
  }

  commit(holder: string, round: number, attempt = 1, bytes = 'update'): SignedBytes {
    const request = { ...this.#charge(holder, round, attempt), updateDigest: this.commitDigest(bytes) };
    return signStatement(COMMIT_REQUEST_V1, request, this.signer(holder));
  }

  history(holder: string): SignedBytes {
    const request = { holder, dataset: `${holder}-data`, nonce: '00'.repeat(32) };
    return signStatement(HISTORY_REQUEST_V1, request, this.signer(holder));
  }
}
