import type { Sha256, VerifySignature } from '@fedcarbon/kernel';
import { bytesOfBase64Url, hexOf, sameBytes, utf8Of } from './bytes.ts';
import { canonicalTextOf } from './canonical.ts';
import { ChargeBook } from './charges.ts';
import type { ClientBudget } from './charges.ts';
import type { Report } from './findings.ts';
import { readPlan, releaseOf } from './format.ts';
import type { Entry, Fields, Plan, SignedReceipt } from './format.ts';
import { ModelReplay, unpack } from './model.ts';
import { noiseShareProblems } from './noise-shares.ts';

/** A published model whose weights the verifier has rebuilt from the released sums. */
export interface VerifiedModel {
  readonly planHash: string;
  readonly version: number;
  readonly roundId: string;
  readonly modelDigest: string;
  /** As published, and confirmed. */
  readonly epsilon: number;
  readonly rounds: number;
}

interface Round {
  readonly opened: Fields<'round.opened'>;
  readonly seq: number;
  outcome?: 'released' | 'abandoned';
  /** SHA-256 of the packed sum that a released round opened. */
  aggregateDigest?: string;
}

interface Running {
  readonly plan: Plan;
  readonly planHash: string;
  readonly rounds: Map<string, Round>;
  readonly model: ModelReplay;
  latest?: Round;
  latestModelRound?: string;
  version: number;
  benchmarkVersion: number;
  completed: boolean;
}

interface Ports {
  readonly publicKeys: { readonly checkpoint: Uint8Array };
  readonly sha256: Sha256;
  readonly verifySignature: VerifySignature;
}

/** Replays what the entries say happened, and reports everything that cannot have happened under the plans' rules. */
export class FederationReplay {
  readonly #ports: Ports;
  readonly #report: Report;
  readonly #running = new Map<string, Running>();
  readonly #charges: ChargeBook;
  readonly models: VerifiedModel[] = [];

  constructor(ports: Ports, report: Report) {
    this.#ports = ports;
    this.#report = report;
    this.#charges = new ChargeBook(report);
  }

  /** One entry after the other, in the order of the ledger. */
  apply(seq: number, { kind, fields }: Entry): void {
    if (kind === 'federation.opened') return this.#open(seq, fields);
    const running = this.#running.get(fields.planHash);
    if (!running) return this.#report(seq, `${kind} is under a plan that was never opened: ${fields.planHash}`);
    switch (kind) {
      case 'privacy.committed':
        return this.#charge(seq, fields, running);
      case 'privacy.refused':
        return this.#refuse(seq, fields, running);
      case 'round.opened':
        return this.#openRound(seq, fields, running);
      case 'round.closed':
        return this.#closeRound(seq, fields, running);
      case 'model.published':
        return this.#publishModel(seq, fields, running);
      case 'benchmarks.published':
        return this.#publishBenchmarks(seq, fields, running);
      case 'federation.completed':
        return this.#complete(seq, fields, running);
    }
  }

  /** After the last entry: rounds left open, and every client's epsilon against its plan's budget. */
  finish(): ClientBudget[] {
    for (const { latest } of this.#running.values()) {
      if (latest && !latest.outcome) {
        this.#report(latest.seq, `round ${latest.opened.roundId} is still open`, 'incomplete');
      }
    }
    return this.#charges.settle();
  }

  #open(seq: number, { planHash, plan: resolved, keys }: Fields<'federation.opened'>): void {
    const hash = hexOf(this.#ports.sha256(utf8Of(canonicalTextOf(resolved))));
    if (hash !== planHash) this.#report(seq, `the plan's hash is ${hash}, the entry says ${planHash}`);
    if (!sameKey(keys.checkpoint, this.#ports.publicKeys.checkpoint)) {
      this.#report(seq, `the federation names ${keys.checkpoint} as its checkpoint key, which is not the expected key`);
    }
    if (this.#running.has(planHash)) return this.#report(seq, `plan ${planHash} is opened a second time`);
    const plan = readPlan(resolved, 'plan');
    if (canonicalTextOf(keys) !== canonicalTextOf(plan.keys)) this.#report(seq, "the entry's keys are not the plan's");
    for (const purpose of ['model', 'benchmarks'] as const) {
      const { event, sensitivitySquared } = releaseOf(plan, purpose);
      if (event.sensitivitySquared < sensitivitySquared || event.steps !== 1) {
        this.#report(
          seq,
          `the plan's ${purpose} event does not cover one release of squared sensitivity ${sensitivitySquared}`,
        );
      }
    }
    for (const problem of noiseShareProblems(plan)) this.#report(seq, problem);
    const running: Running = {
      plan,
      planHash,
      rounds: new Map(),
      model: new ModelReplay(plan.recipe),
      version: 0,
      benchmarkVersion: 0,
      completed: false,
    };
    this.#running.set(planHash, running);
    this.#charges.enrol(seq, planHash, plan);
  }

  #charge(seq: number, fields: Fields<'privacy.committed'>, running: Running): void {
    const round = running.rounds.get(fields.roundId);
    if (!round) return this.#report(seq, `a charge to round ${fields.roundId}, which was not opened before`);
    if (!equal(fields.event, round.opened.event)) {
      this.#report(seq, `the charged event is not the event of round ${fields.roundId}`);
    }
    this.#charges.add(seq, fields);
  }

  #refuse(seq: number, fields: Fields<'privacy.refused'>, running: Running): void {
    if (this.#charges.datasetOf(running.planHash, fields.holder) !== fields.dataset) {
      this.#report(seq, `${fields.holder} is not in the plan with data set ${fields.dataset}`);
    }
  }

  #openRound(seq: number, fields: Fields<'round.opened'>, running: Running): void {
    const { latest, plan } = running;
    const report = (what: string) => this.#report(seq, `round ${fields.roundId} ${what}`);
    if (running.completed) report('opens after its federation was completed');
    if (running.rounds.has(fields.roundId)) return report('is opened a second time');
    if (latest && !latest.outcome) report(`opens while round ${latest.opened.roundId} is open`);
    const index = running.rounds.size + 1;
    if (fields.index !== index || fields.roundId !== `${running.planHash.slice(0, 12)}-${index}`) {
      report(`has index ${fields.index}, round ${index} of plan ${running.planHash} was due`);
    }
    const planned = releaseOf(plan, fields.purpose);
    if (!equal(fields.event, planned.event)) report("has another event than its plan's");
    if (fields.bits !== planned.bits || fields.length !== planned.length) {
      report(`has ${fields.length} integers of ${fields.bits} bits, its plan ${planned.length} of ${planned.bits}`);
    }
    const round: Round = { opened: fields, seq };
    running.rounds.set(fields.roundId, round);
    running.latest = round;
  }

  #closeRound(seq: number, closed: Fields<'round.closed'>, running: Running): void {
    const report = (what: string) => this.#report(seq, `round ${closed.roundId} ${what}`);
    const round = running.rounds.get(closed.roundId);
    if (!round) return report('closes but was never opened');
    if (round.outcome) return report('is closed a second time');
    round.outcome = closed.outcome;
    const { opened } = round;
    if (closed.index !== opened.index || closed.purpose !== opened.purpose)
      report('closes with another index or purpose');
    for (const verdict of closed.verdicts) this.#checkReceipt(seq, closed, verdict, running);
    this.#checkParticipants(seq, closed);

    if (closed.outcome === 'abandoned') {
      if (closed.aggregate !== undefined) report('was abandoned, yet has an aggregate');
      if (closed.modelDigest !== undefined) report('was abandoned, yet has a model');
      return;
    }
    const { quorum } = running.plan.round;
    if (closed.participants.length < quorum) {
      report(`was released with ${closed.participants.length} participants, the plan's quorum is ${quorum}`);
    }
    if (closed.aggregate === undefined) return report('was released without an aggregate');
    const bytes = bytesOfBase64Url(closed.aggregate);
    const sum = bytes ? unpack(bytes, opened.bits, opened.length) : 'is not base64url text';
    if (bytes === undefined || typeof sum === 'string') return report(`has an aggregate that ${String(sum)}`);
    round.aggregateDigest = hexOf(this.#ports.sha256(bytes));
    if (opened.purpose === 'benchmarks') {
      if (closed.modelDigest !== undefined) report('is for benchmarks, yet has a model');
      return;
    }
    running.model.step(sum, opened.bits);
    if (running.model.rounds > running.plan.recipe.rounds) report('is a model round more than the plan has');
    running.latestModelRound = closed.roundId;
    const digest = hexOf(this.#ports.sha256(running.model.current()));
    if (closed.modelDigest !== digest) {
      report(`leads to model ${digest}, the entry says ${closed.modelDigest ?? 'nothing'}`);
    }
  }

  #checkReceipt(seq: number, closed: Fields<'round.closed'>, signed: SignedReceipt, running: Running): void {
    const { receipt } = signed;
    const report = (what: string) => this.#report(seq, `the receipt for ${receipt.holder} ${what}`);
    if (receipt.planHash !== closed.planHash || receipt.roundId !== closed.roundId)
      report('is for another plan or round');
    const region = running.plan.regions.find(({ name }) => name === receipt.region);
    if (!region) return report(`is by region ${receipt.region}, which the plan does not have`);
    // A region may well have rejected what somebody else's member sent to it.
    if (receipt.verdict === 'accepted' && !region.members.some(({ holder }) => holder === receipt.holder)) {
      report(`is by region ${region.name}, where it is not a member`);
    }
    const message = utf8Of(`fedcarbon/receipt/v1\n${canonicalTextOf(receipt)}`);
    const key = bytesOfBase64Url(region.publicKey);
    const signature = bytesOfBase64Url(signed.signature);
    if (!key || !signature || !this.#ports.verifySignature(key, message, signature)) {
      report(`is not signed by region ${region.name}`);
    }
  }

  #checkParticipants(seq: number, { planHash, roundId, participants, verdicts }: Fields<'round.closed'>): void {
    const accepted = verdicts.flatMap(({ receipt }) => (receipt.verdict === 'accepted' ? [receipt] : []));
    for (const [what, list] of [
      ['accepted', accepted],
      ['counted', participants],
    ] as const) {
      const holders = list.map(({ holder }) => holder);
      const twice = holders.find((holder, i) => holders.indexOf(holder) !== i);
      if (twice !== undefined) this.#report(seq, `round ${roundId} has ${twice} ${what} twice`);
    }
    for (const { holder, attempt, updateDigest } of participants) {
      const report = (what: string) => this.#report(seq, `round ${roundId} counts ${holder} ${what}`);
      const fits = accepted.some(
        (receipt) => receipt.holder === holder && receipt.attempt === attempt && receipt.updateDigest === updateDigest,
      );
      if (!fits) report('without an accepting receipt for the same attempt and update');
      const charge = this.#charges.find(planHash, roundId, holder, attempt);
      if (!charge) report(`without a charge for attempt ${attempt} before its close`);
      else if (charge.updateDigest !== updateDigest) report('with another update than was charged');
      else charge.counted = true;
    }
  }

  #publishModel(seq: number, published: Fields<'model.published'>, running: Running): void {
    const report = (what: string) => this.#report(seq, `model ${published.version} ${what}`);
    const { model } = running;
    if (published.version <= running.version) report(`comes after version ${running.version}`);
    running.version = published.version;
    if (published.roundId !== running.latestModelRound) {
      report(`is of round ${published.roundId}, the latest released one is ${running.latestModelRound ?? 'none'}`);
    }
    if (published.rounds !== model.rounds) report(`states ${published.rounds} rounds after ${model.rounds}`);
    const digest = hexOf(this.#ports.sha256(model.published()));
    if (published.modelDigest !== digest)
      report(`has digest ${published.modelDigest}, the released sums give ${digest}`);
    const epsilon = this.#charges.checkStatedEpsilon(seq, published, running.latest?.seq ?? seq);
    if (epsilon && digest === published.modelDigest) this.models.push(published);
  }

  #publishBenchmarks(seq: number, published: Fields<'benchmarks.published'>, running: Running): void {
    const report = (what: string) => this.#report(seq, `benchmark release ${published.version} ${what}`);
    if (published.version <= running.benchmarkVersion) report(`comes after version ${running.benchmarkVersion}`);
    running.benchmarkVersion = published.version;
    const round = running.rounds.get(published.roundId);
    if (round?.opened.purpose !== 'benchmarks' || round.outcome !== 'released') {
      report(`is of round ${published.roundId}, which is no released benchmark round`);
    } else if (round.aggregateDigest !== published.releaseDigest) {
      report(`has digest ${published.releaseDigest}, the sum of its round has ${round.aggregateDigest ?? 'none'}`);
    }
  }

  #complete(seq: number, { planHash, reason, rounds }: Fields<'federation.completed'>, running: Running): void {
    const report = (what: string) => this.#report(seq, `the completion of plan ${planHash} ${what}`);
    if (running.completed) report('is recorded a second time');
    running.completed = true;
    if (running.latest && !running.latest.outcome) report(`leaves round ${running.latest.opened.roundId} open`);
    if (rounds !== running.model.rounds) report(`states ${rounds} rounds, ${running.model.rounds} were released`);
    const benchmarked = [...running.rounds.values()].some(
      ({ opened, outcome }) => opened.purpose === 'benchmarks' && outcome === 'released',
    );
    const ended = running.model.rounds >= running.plan.recipe.rounds && benchmarked ? 'planned' : 'ended_early';
    if (reason !== ended) report(`is called ${reason}, the rounds say ${ended}`);
  }
}

function equal(a: unknown, b: unknown): boolean {
  return canonicalTextOf(a) === canonicalTextOf(b);
}

function sameKey(base64Url: string, key: Uint8Array): boolean {
  const bytes = bytesOfBase64Url(base64Url);
  return bytes !== undefined && sameBytes(bytes, key);
}
