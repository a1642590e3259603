import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AccountantCall,
  COMMIT_V1,
  isEmbeddedSignedBy,
  type MechanismEvent,
  readAbridged,
  type SignedBytes,
  UPDATE_V1,
  type Update,
} from '@fedcarbon/contracts';
import { fromBase64Url, toHex, utf8 } from '@fedcarbon/kernel';
import { createAccountant } from '@fedcarbon/privacy';
import {
  cryptoRandom,
  type FactFile,
  secureSumCrypto,
  sha256,
  signerFromPem,
  verifySignature,
} from '@fedcarbon/service';
import { AccountantClient } from './accountant-client.ts';
import { type HolderRecords, readHolderRecords } from './holder-records.ts';
import { Journal } from './journal/journal.ts';
import { MaskingHost } from './masking/masking-host.ts';
import { openMaskingJournal } from './masking/masking-journal.ts';
import type { FaultPoint, HolderLink, Log, Noise } from './ports.ts';
import { exactNoise } from './release.ts';
import { membershipOf, Trainer } from './trainer.ts';
import { UpdateSender } from './update-sender.ts';
import type { FakeAccountant } from './fake-accountant.support.ts';
import { holderFile, type TestFederation } from './example-federation.support.ts';

export const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Thrown where a crash is played. */
export class PlayedCrash extends Error {}

export interface SiteOptions {
  readonly holder?: string;
  readonly records?: number;
  /** Which records of the stock; the first ones when left out. */
  readonly place?: number;
  readonly epsilon?: number;
  readonly delta?: number;
  readonly acceptedPlanHashes?: readonly string[];
  readonly noise?: Noise;
}

/** SHA-256 of the bytes that an update carries, hexadecimal. */
export function digestOf({ payload }: Pick<Update, 'payload'>): string {
  return toHex(sha256(fromBase64Url(payload)));
}

/** A message that left the site. */
export interface Sent extends SignedBytes {
  readonly subject: string;
  readonly messageId: string;
}

/** One holder's site on a link in memory: everything else is real, the journal on disk included. `restart` plays a crash and what follows. */
export class Site {
  readonly dir = mkdtempSync(join(tmpdir(), 'fedcarbon-site-'));
  readonly sent: Sent[] = [];
  /** A log line a string, as it would be read. */
  readonly lines: string[] = [];
  /** Published models that came. */
  readonly published: Float64Array[] = [];
  nowMs = Date.now();
  /** The accountant or the broker cannot be reached. */
  unreachable = false;
  crashAt: FaultPoint | undefined;
  /** How often the process gets past `crashAt` before it crashes there. */
  crashAfter = 0;
  trainer!: Trainer;
  sender!: UpdateSender;
  journal!: Journal;
  facts: FactFile | undefined;
  masking: MaskingHost | undefined;
  records!: HolderRecords;
  readonly #federation: TestFederation;
  readonly #accountant: FakeAccountant;
  readonly #options: SiteOptions;

  private constructor(federation: TestFederation, accountant: FakeAccountant, options: SiteOptions) {
    this.#federation = federation;
    this.#accountant = accountant;
    this.#options = options;
  }

  static async open(federation: TestFederation, accountant: FakeAccountant, options: SiteOptions = {}): Promise<Site> {
    const site = new Site(federation, accountant, options);
    mkdirSync(site.dir, { recursive: true });
    writeFileSync(join(site.dir, 'train.csv'), holderFile(options.place ?? 0, options.records ?? 30));
    await site.#start();
    return site;
  }

  /** Ends what runs, keeps the disk, and starts again. */
  async restart(): Promise<void> {
    await this.#stop();
    this.crashAt = undefined;
    await this.#start();
  }

  async wipeJournal(): Promise<void> {
    await this.#stop();
    rmSync(join(this.dir, 'journal'), { recursive: true });
    await this.#start();
  }

  /** Loses the masking facts, or with `older` has an older copy of them put back. */
  async wipeMasking(older?: Uint8Array): Promise<void> {
    const path = this.facts?.path ?? '';
    await this.#stop();
    if (older === undefined) rmSync(path);
    else writeFileSync(path, older);
    await this.#start();
  }

  async close(): Promise<void> {
    await this.#stop();
    rmSync(this.dir, { recursive: true });
  }

  /** Updates that left, as their receivers read them. */
  updates(): Update[] {
    const { planHash, member } = this.trainer.membership;
    return this.sent
      .filter(({ subject }) => subject.endsWith('.update'))
      .map(({ payload }) => readAbridged(UPDATE_V1, payload, () => ({ planHash, holder: member.holder })));
  }

  /** Whether the accountant has charged the very bytes of an update. */
  isCharged(update: Update, event: MechanismEvent): boolean {
    const { planHash, roundId, holder, attempt, commitSignature } = update;
    const { dataset } = this.trainer.membership.member;
    const statement = { holder, dataset, planHash, roundId, attempt, event, updateDigest: digestOf(update) };
    const accountantKey = this.#federation.keys.accountant.publicKey;
    return isEmbeddedSignedBy(COMMIT_V1, { statement, signature: commitSignature }, accountantKey, verifySignature);
  }

  /** Reasons of the declines that left. */
  declines(): string[] {
    return this.sent
      .filter(({ subject }) => subject.endsWith('.decline'))
      .map(({ payload }) => (JSON.parse(Buffer.from(payload).toString()) as { reason: string }).reason);
  }

  async #stop(): Promise<void> {
    await this.facts?.close();
    await this.journal.close();
  }

  async #start(): Promise<void> {
    const { plan, planHash, keys: _, holderPems } = this.#federation;
    const holder = this.#options.holder ?? 'alder';
    const signer = signerFromPem(holderPems[holder] ?? '');
    const membership = membershipOf(plan, planHash, holder, signer.publicKey);
    const { member, region } = membership;
    const cap = { epsilon: this.#options.epsilon ?? 1, delta: this.#options.delta ?? 1e-5 };
    const log = this.#log();
    this.records = await readHolderRecords(this.dir, plan);
    this.journal = await Journal.open({ dir: join(this.dir, 'journal'), holder, dataset: member.dataset, cap, log });
    const link = this.#link(holder);
    const clock = { nowMs: () => this.nowMs };
    const faultPoint = (point: FaultPoint) => {
      if (point === this.crashAt && this.crashAfter-- <= 0) throw new PlayedCrash(point);
    };
    const shared = { journal: this.journal, link, signer, sha256, clock, log, faultPoint };
    this.sender = new UpdateSender({ ...shared, holder, region, planHash });
    if (plan.privacy.secureSum !== null) {
      const dir = join(this.dir, 'journal');
      this.facts = await openMaskingJournal({ dir, holder, dataset: member.dataset, planHash, log });
      this.masking = new MaskingHost({
        ...{ ...shared, membership, facts: this.facts },
        ...{ verify: verifySignature, crypto: secureSumCrypto, random: cryptoRandom },
      });
    }
    this.trainer = new Trainer({
      ...shared,
      membership,
      cap,
      acceptedPlanHashes: this.#options.acceptedPlanHashes ?? [planHash],
      records: this.records,
      masking: this.masking,
      accountant: new AccountantClient({ link, signer, verify: verifySignature, accountantKey: plan.keys.accountant }),
      sender: this.sender,
      onPublished: (weights) => Promise.resolve(void this.published.push(weights)),
      verify: verifySignature,
      random: cryptoRandom,
      noise: this.#options.noise ?? exactNoise(cryptoRandom),
      epsilons: createAccountant(),
    });
  }

  #link(holder: string): HolderLink {
    const need = () => {
      if (this.unreachable) throw new Error('nobody answers');
    };
    return {
      request: async (subject, signed) => {
        need();
        const call = subject.split('.').at(-1) as AccountantCall;
        return Promise.resolve(utf8(JSON.stringify(this.#accountant.answer(call, holder, signed))));
      },
      publish: async (subject, signed, messageId) => {
        need();
        this.sent.push({ subject, messageId, ...signed });
        return Promise.resolve();
      },
    };
  }

  #log(): Log {
    const write = (fields: object, message: string) => this.lines.push(`${message} ${JSON.stringify(fields)}`);
    return { debug: write, info: write, warn: write, error: write };
  }
}

/** A site for each holder, by name, each with 20 records of its own place in the stock. */
export async function openSites(
  federation: TestFederation,
  accountant: FakeAccountant,
  holders: readonly string[],
  options: Pick<SiteOptions, 'noise'> = {},
): Promise<Map<string, Site>> {
  const sites = new Map<string, Site>();
  for (const [place, holder] of holders.entries()) {
    sites.set(holder, await Site.open(federation, accountant, { holder, place, records: 20, ...options }));
  }
  return sites;
}

export async function closeSites(sites: ReadonlyMap<string, Site>): Promise<void> {
  for (const site of sites.values()) await site.close();
}
