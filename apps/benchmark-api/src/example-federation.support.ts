import { countRecords } from '@fedcarbon/benchmark';
import { encodeIntegers, sumModulo, toResidues } from '@fedcarbon/codec';
import {
  type BenchmarkApiConfig,
  type BrokerAccess,
  type FederationPlan,
  ledgerOrigin,
  type MechanismEvent,
  type Purpose,
  type Role,
} from '@fedcarbon/contracts';
import {
  canonicalBytes,
  fromBase64Url,
  type Json,
  type RandomSource,
  type Signer,
  toBase64Url,
  toHex,
  utf8,
} from '@fedcarbon/kernel';
import { finalWeights, localSum, modelBytes } from '@fedcarbon/learning';
import { CompactRange, entryBytes, type LedgerEntry, signCheckpoint } from '@fedcarbon/ledger';
import {
  type ChargeKey,
  createDatabase,
  type Database,
  LedgerRepository,
  migrate,
  PlanRepository,
  PrivacyRepository,
  provisionLogin,
  PublishedRepository,
  type ReserveVerdict,
  RoundRepository,
  sqlIn,
} from '@fedcarbon/persistence';
import {
  encodeStock,
  histogramRows,
  parsePlanFile,
  planHash,
  resolvePlan,
  type StockView,
  stockView,
} from '@fedcarbon/plan';
import { sampleDiscreteGaussian } from '@fedcarbon/privacy';
import { noiseSdOfSum, replayLearner, roundIdOf, roundShape } from '@fedcarbon/round';
import { generateKeyPem, sha256, signerFromPem } from '@fedcarbon/service';
import { type BuildingRecord, simulateStock } from '@fedcarbon/stock';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOLDERS = ['alder', 'birch', 'cedar', 'dogwood'];
const PASSWORD = 'example-password';
/** The time at which the first thing happens; each later one a second after the one before. */
const STARTED_AT_MS = Date.UTC(2026, 0, 1);

const STOCK_SEED = 1;

/** Small, at a larger epsilon than anybody should choose, so that some percentiles are `ok` with few records. */
const PLAN_FILE = {
  version: 1,
  name: 'example',
  description: 'A simulated stock in four hands',
  trust: 'local',
  stock: { source: 'ecebd', use: 'residential', target: 'embodied-carbon', featureSchema: 'ecebd/v1', yRange: [2, 22] },
  partition: { kind: 'dirichlet', alpha: 0.5, quantiles: 10, seed: 42, testShare: 0.2 },
  regions: [
    { name: 'north', countries: ['DK', 'FI', 'NL', 'DE'], clients: 2 },
    { name: 'south', countries: ['FR', 'BE', 'AT'], clients: 2 },
  ],
  privacy: { epsilon: 4, delta: 1e-5 },
  nominalRecords: { total: 640, perClient: 160 },
  recipe: { kind: 'gam-sum', rounds: 3 },
  benchmarks: { margins: ['all', 'country', 'subtype', 'structure'] },
  round: { quorum: 2 },
};

/** API keys of the example, one a role; the holder is the first one. */
export const EXAMPLE_KEYS: Readonly<Record<Role, string>> = {
  analyst: 'fc_analyst_example',
  auditor: 'fc_auditor_example',
  operator: 'fc_operator_example',
  holder: 'fc_holder_example',
};

/**
 * A small federation over a simulated stock, published into a database step by step through the libs and repositories that the services use: sums and
 * noise are real, services and broker are left out. For tests and measurements.
 */
export class ExampleFederation {
  readonly plan: FederationPlan;
  readonly planHash: string;
  readonly database: Database;
  readonly #ownerUrl: string;
  readonly #user = `fc_api_${randomBytes(5).toString('hex')}`;
  readonly #checkpointSigner: Signer;
  readonly #random: RandomSource;
  readonly #view: StockView;
  readonly #shares: readonly (readonly BuildingRecord[])[];
  readonly #aggregates: Uint8Array[] = [];
  #nextRound = 1;
  #seconds = 0;

  private constructor(ownerUrl: string, random: RandomSource) {
    this.#ownerUrl = ownerUrl;
    this.#random = random;
    this.database = createDatabase({ url: ownerUrl, poolSize: 2 });
    this.#checkpointSigner = signerFromPem(generateKeyPem());
    const anybody = () => toBase64Url(signerFromPem(generateKeyPem()).publicKey);
    const checkpoint = toBase64Url(this.#checkpointSigner.publicKey);
    const file = parsePlanFile(PLAN_FILE, 'example');
    this.plan = resolvePlan(file, {
      simulation: true,
      data: { kind: 'simulated', seed: STOCK_SEED },
      keys: { global: anybody(), accountant: anybody(), checkpoint },
      operatorKey: anybody(),
      regions: ['north', 'south'].map((name, r) => ({
        name,
        publicKey: anybody(),
        members: HOLDERS.slice(2 * r, 2 * r + 2).map((holder) => ({ holder, dataset: 'houses', publicKey: anybody() })),
      })),
    });
    this.planHash = planHash(this.plan, sha256);
    this.#view = stockView(this.plan.stock);
    const stock = simulateStock({ records: PLAN_FILE.nominalRecords.total, seed: STOCK_SEED });
    this.#shares = HOLDERS.map((_, k) => stock.filter((_, i) => i % HOLDERS.length === k));
  }

  /** Migrates the empty database at `ownerUrl` (of a superuser) and makes the API's login; nothing is enrolled yet. */
  static async begin(ownerUrl: string, random: RandomSource): Promise<ExampleFederation> {
    await migrate(ownerUrl);
    const example = new ExampleFederation(ownerUrl, random);
    await provisionLogin(ownerUrl, example.#user, PASSWORD, 'fc_api');
    return example;
  }

  /** What the federation's histogram counts, in the target's unit. */
  get outcomes(): number[] {
    return this.#shares.flatMap((records) => histogramRows(this.#view, records).map(({ y }) => y));
  }

  /** All steps: enrolment, the planned model rounds, the benchmarks round, the end. */
  async complete(): Promise<void> {
    await this.enrol();
    for (let round = 0; round < this.plan.recipe.rounds; round++) await this.release('model');
    await this.release('benchmarks');
    await this.end();
  }

  async enrol(): Promise<void> {
    const members = this.plan.regions.flatMap((region) =>
      region.members.map(({ holder, dataset, publicKey }) => ({
        ...{ holder, dataset, region: region.name, publicKey: fromBase64Url(publicKey) },
      })),
    );
    const body = canonicalBytes(this.plan as Json);
    const { planHash, plan } = this;
    await this.database.transaction((session) =>
      new PlanRepository(session).open({ planHash, name: plan.name, body, openedAtMs: this.#nowMs(), members }),
    );
  }

  /** Opens a round, charges every holder, closes it with their sum, publishes what it released. */
  async release(purpose: Purpose): Promise<void> {
    const { planHash, plan } = this;
    const { index, roundId } = await this.open(purpose);
    const { event, bits } = roundShape(plan, purpose);
    const learner = replayLearner(plan, this.#aggregates);
    const updates = this.#shares.map((records) => {
      const sum =
        purpose === 'model'
          ? localSum(encodeStock(this.#view, records), learner.weights, plan.recipe, this.#random)
          : countRecords(plan.benchmarks.layout, histogramRows(this.#view, records));
      return toResidues(
        sum.map((value) => value + sampleDiscreteGaussian(event.sigmaSquared, this.#random)),
        bits,
      );
    });
    for (const holder of HOLDERS) await this.#charge(holder, roundId, purpose);
    const aggregate = encodeIntegers(sumModulo(updates, bits), bits);
    if (purpose === 'model') this.#aggregates.push(aggregate);
    const closedAtMs = this.#nowMs();
    await this.database.transaction(async (session) => {
      await new RoundRepository(sqlIn(session)).close(roundId, {
        status: 'released',
        closedAtMs,
        participants: HOLDERS.length,
        aggregate,
        ...{ bytesUp: 1000, bytesDown: 2000 },
        accepted: [],
      });
      const entries: LedgerEntry[] = [
        {
          kind: 'round.closed',
          ...{ planHash, roundId, index, purpose, outcome: 'released' },
          aggregate: toBase64Url(aggregate),
          ...{ participants: [], verdicts: [] },
        },
      ];
      const published = new PublishedRepository(session);
      const release = { planHash, roundId, epsilon: plan.privacy.epsilon, createdAtMs: closedAtMs };
      if (purpose === 'model') {
        const weights = modelBytes(finalWeights(replayLearner(plan, this.#aggregates)));
        const digest = toHex(sha256(weights));
        await published.publishModel({ ...release, weights, digest, rounds: this.#aggregates.length });
      } else {
        const noiseSd = noiseSdOfSum(plan, purpose, HOLDERS.length);
        const digest = toHex(sha256(aggregate));
        await published.publishBenchmarks({
          ...release,
          counts: aggregate,
          digest,
          noiseSd,
          participants: HOLDERS.length,
        });
      }
      await this.#append(session, entries);
    });
  }

  /** Opens the next round and leaves it open. */
  async open(purpose: Purpose): Promise<{ readonly index: number; readonly roundId: string }> {
    const { planHash } = this;
    const index = this.#nextRound++;
    const roundId = roundIdOf(planHash, index);
    const { event, bits, length } = roundShape(this.plan, purpose);
    const openedAtMs = this.#nowMs();
    const round = { ...{ planHash, roundId, index, purpose, seed: '00'.repeat(32) }, event, bits, length };
    await this.database.transaction(async (session) => {
      await new RoundRepository(sqlIn(session)).open({
        ...round,
        ...{ openedAtMs, regionalDeadlineAtMs: openedAtMs + 8000, deadlineAtMs: openedAtMs + 12_000 },
      });
      await this.#append(session, [{ kind: 'round.opened', ...round }]);
    });
    return { index, roundId };
  }

  async end(): Promise<void> {
    const { planHash } = this;
    await this.database.transaction(async (session) => {
      await new PlanRepository(session).complete(planHash);
      await this.#append(session, [
        { kind: 'federation.completed', planHash, reason: 'planned', rounds: this.#aggregates.length },
      ]);
    });
  }

  /** The accountant refuses the first holder a charge. */
  async refuse(): Promise<void> {
    await this.#reserve('alder', 'refused', 'model', (event, key) => ({
      kind: 'refuse',
      reason: 'over_budget',
      ledgerEntry: entryBytes({ kind: 'privacy.refused', ...key, event, reason: 'over_budget' }),
    }));
  }

  /** Writes plan and configuration into `folder`; returns the configuration and its file. */
  writeConfig(
    folder: string,
    broker: BrokerAccess,
    plan: FederationPlan = this.plan,
  ): { config: BenchmarkApiConfig; file: string } {
    const planFile = join(folder, 'plan.json');
    writeFileSync(planFile, JSON.stringify(plan));
    const databaseUrl = new URL(this.#ownerUrl);
    [databaseUrl.username, databaseUrl.password] = [this.#user, PASSWORD];
    const config: BenchmarkApiConfig = {
      http: { host: '127.0.0.1', port: 0 },
      logLevel: 'info',
      planFile,
      databaseUrl: databaseUrl.href,
      broker,
      apiKeys: Object.entries(EXAMPLE_KEYS).map(([role, key]) => ({
        name: role,
        role: role as Role,
        ...(role === 'holder' ? { holder: 'alder' } : {}),
        sha256: toHex(sha256(utf8(key))),
      })),
    };
    const file = join(folder, 'benchmark-api.json');
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return { config, file };
  }

  close(): Promise<void> {
    return this.database.close();
  }

  async #charge(holder: string, roundId: string, purpose: Purpose): Promise<void> {
    const key = { holder, dataset: 'houses', planHash: this.planHash, roundId, attempt: 1 };
    const record = new PrivacyRepository(this.database.sql);
    await this.#reserve(holder, roundId, purpose, () => ({ kind: 'grant', expiresAtMs: this.#nowMs() + 60_000 }));
    const reservation = await record.find(key);
    if (reservation === undefined) throw new Error('nothing was reserved');
    const commit = { updateDigest: '00'.repeat(32), statement: utf8('statement'), signature: new Uint8Array(64) };
    const { event } = reservation;
    const entry = { kind: 'privacy.committed', ...key, event, updateDigest: commit.updateDigest } as const;
    await record.charge(reservation, commit, entryBytes(entry), this.#nowMs());
  }

  async #reserve(
    holder: string,
    roundId: string,
    purpose: Purpose,
    verdict: (event: MechanismEvent, key: ChargeKey) => ReserveVerdict,
  ): Promise<void> {
    const key = { holder, dataset: 'houses', planHash: this.planHash, roundId, attempt: 1 };
    const { event } = roundShape(this.plan, purpose);
    const { epsilon, delta } = this.plan.privacy;
    const record = new PrivacyRepository(this.database.sql);
    await record.reserve(key, event, { epsilon, delta }, this.#nowMs(), () => verdict(event, key));
  }

  async #append(session: Database['session'], entries: readonly LedgerEntry[]): Promise<void> {
    const ledger = new LedgerRepository(session);
    for (const entry of entries) await ledger.append(entry.kind, entryBytes(entry));
    const range = CompactRange.empty(sha256);
    for (const leaf of await ledger.leafHashes()) range.append(leaf);
    const origin = ledgerOrigin(this.plan.keys.checkpoint);
    const checkpoint = { origin, size: range.size, root: range.root() };
    await ledger.addCheckpoint(range.size, signCheckpoint(sha256, this.#checkpointSigner, origin, checkpoint));
  }

  #nowMs(): number {
    return STARTED_AT_MS + 1000 * this.#seconds++;
  }
}
