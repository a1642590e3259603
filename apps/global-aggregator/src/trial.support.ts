import { decodeIntegers, toSigned } from '@fedcarbon/codec';
import {
  brokerUser,
  ledgerOrigin,
  readStatement,
  ROUND_CLOSED_V1,
  type RoundClosed,
  signStatement,
  START_REQUEST_V1,
  StartReply,
  SUBJECTS,
} from '@fedcarbon/contracts';
import { exportLines } from '@fedcarbon/ledger';
import { verifyLedger, type Verification } from '@fedcarbon/ledger/verify';
import { type BrokerConnection, connectBroker, requestSigned, signedBytesOf } from '@fedcarbon/messaging';
import {
  createDatabase,
  type Database,
  LedgerRepository,
  type LedgerRow,
  PlanRepository,
  RoundRepository,
  type RoundRow,
} from '@fedcarbon/persistence';
import { sha256, verifySignature } from '@fedcarbon/service';
import { setTimeout as pause } from 'node:timers/promises';
import { ExampleFederation, type ExampleOptions } from './example-federation.support.ts';
import { ScriptedAccountant, ScriptedHolder, scriptedValues } from './scripted-holders.support.ts';
import { ServiceProcess } from './service-process.support.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const WAIT_MS = 120_000;

/** Deadlines that do not come however long a process takes to start: for trials in which a killed service must lose nobody's update. */
export const PATIENT = { regionalDeadlineMs: 90_000, globalDeadlineMs: 100_000, unmaskDeadlineMs: 90_000 };

/** Servers for trials, as @fedcarbon/testing starts them. */
export interface TrialServers {
  /** Makes an empty database and returns a superuser's url for it. */
  createDatabase(): Promise<string>;
  startNats(options: { readonly config: string }): Promise<{ readonly url: string; stop(): Promise<void> }>;
  temporaryFolder(purpose: string): { readonly path: string; readonly remove: () => void };
}

export interface TrialOptions extends ExampleOptions {
  /** Holders do not join the secure sum by themselves. */
  readonly waitWithJoining?: boolean;
  /** Starts another broker than the usual. */
  readonly broker?: TrialServers['startNats'];
}

/** Begins trials and cleans up after them. */
export class Trials {
  readonly #servers: TrialServers;
  readonly #cleanups: (() => unknown)[] = [];

  constructor(servers: TrialServers) {
    this.#servers = servers;
  }

  /** Starts broker, database and services. `fault` applies to the global-aggregator. */
  async begin(options?: TrialOptions, fault?: string): Promise<Trial> {
    const { createDatabase: emptyDatabase, startNats, temporaryFolder } = this.#servers;
    const folder = temporaryFolder('trial');
    this.#cleanups.push(folder.remove);
    const place = {
      ownerUrl: await emptyDatabase(),
      folder: folder.path,
      startBroker: async (config: string) => {
        const nats = await (options?.broker ?? startNats)({ config });
        this.#cleanups.push(() => nats.stop());
        return nats;
      },
    };
    const trial = await Trial.begin(place, options, fault);
    this.#cleanups.push(() => trial.end());
    return trial;
  }

  /** Ends everything that was begun. */
  async end(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

/** Where a trial takes place: an empty database, an empty folder, and a way to start a broker. */
interface Place {
  /** Of a superuser. */
  readonly ownerUrl: string;
  readonly folder: string;
  startBroker(config: string): Promise<{ readonly url: string }>;
}

/** A whole federation of scripted holders around real services, a real broker and a real database. */
export class Trial {
  readonly federation: ExampleFederation;
  readonly place: Place;
  readonly brokerUrl: string;
  readonly holders: readonly ScriptedHolder[];
  readonly accountant: ScriptedAccountant;
  /** Every `round.closed` that the broker carried. */
  readonly announced: RoundClosed[] = [];
  readonly services: ServiceProcess[] = [];
  readonly #owner: Database;
  readonly #connections: BrokerConnection[];

  private constructor(parts: {
    federation: ExampleFederation;
    place: Place;
    brokerUrl: string;
    accountant: ScriptedAccountant;
    holders: readonly ScriptedHolder[];
    listener: BrokerConnection;
    owner: Database;
  }) {
    this.federation = parts.federation;
    this.place = parts.place;
    this.brokerUrl = parts.brokerUrl;
    this.accountant = parts.accountant;
    this.holders = parts.holders;
    this.#owner = parts.owner;
    this.#connections = [parts.listener];
    parts.listener.subscribe(SUBJECTS.roundClosed, {
      callback: (error, message) => {
        if (error === null) this.announced.push(readStatement(ROUND_CLOSED_V1, signedBytesOf(message.data).payload));
      },
    });
  }

  static async begin(place: Place, options: TrialOptions = {}, fault?: string): Promise<Trial> {
    const federation = new ExampleFederation(options);
    const { ownerUrl } = place;
    const [{ url: brokerUrl }] = await Promise.all([
      place.startBroker(federation.brokerConfig()),
      federation.prepareDatabase(ownerUrl),
    ]);
    const accountant = new ScriptedAccountant(federation, ownerUrl);
    const trial = new Trial({
      federation,
      place,
      brokerUrl,
      accountant,
      holders: await ScriptedHolder.connectAll(federation, brokerUrl, accountant),
      listener: await connectBroker({
        access: federation.access(brokerUrl, brokerUser.service('benchmark-api')),
        name: 'listener',
        logger: silent,
      }),
      owner: createDatabase({ url: ownerUrl, poolSize: 2 }),
    });
    const names = federation.plan.regions.map(({ name }) => name);
    const half = Math.ceil(names.length / 2);
    await Promise.all([
      trial.startGlobal(fault),
      ...[names.slice(0, half), names.slice(half)]
        .filter((regions) => regions.length > 0)
        .map((regions) => trial.startRegional(regions)),
    ]);
    if (!options.waitWithJoining) await Promise.all(trial.holders.map(({ masking }) => masking?.join()));
    return trial;
  }

  async startGlobal(fault?: string): Promise<ServiceProcess> {
    const config = this.federation.writeGlobalConfig(this.place.folder, this.place.ownerUrl, this.brokerUrl);
    return this.#keep(await ServiceProcess.start('global-aggregator', config, fault));
  }

  /** Has the global-aggregator end at each of these points in turn, the first of which it was begun with, and then starts it for good. Returns how it ended. */
  async endGlobalAt(points: readonly string[]): Promise<unknown[]> {
    const ends: unknown[] = [];
    for (const next of [...points.slice(1), undefined]) {
      const dying = this.services.filter(({ app }) => app === 'global-aggregator').at(-1);
      const startAgain = setInterval(() => void this.requestStart().catch(() => undefined), 500);
      ends.push(await dying?.exited);
      clearInterval(startAgain);
      await this.startGlobal(next);
    }
    return ends;
  }

  async startHelper(fault?: string): Promise<ServiceProcess> {
    const config = this.federation.writeHelperConfig(this.place.folder, this.brokerUrl);
    return this.#keep(await ServiceProcess.start('sum-helper', config, fault));
  }

  async startRegional(regions: readonly string[], fault?: string): Promise<ServiceProcess> {
    const { folder, ownerUrl } = this.place;
    const config = this.federation.writeRegionalConfig(folder, ownerUrl, this.brokerUrl, regions);
    return this.#keep(await ServiceProcess.start('regional-aggregator', config, fault));
  }

  #keep(service: ServiceProcess): ServiceProcess {
    this.services.push(service);
    return service;
  }

  /** Sends the operator's request, signed by `signer` (default the operator). */
  async requestStart(signer = 'operator', planHash = this.federation.planHash): Promise<StartReply> {
    const access = this.federation.access(this.brokerUrl, brokerUser.service('operator'));
    const connection = await connectBroker({ access, name: 'operator', logger: silent });
    try {
      const request = signStatement(START_REQUEST_V1, { planHash }, this.federation.signer(signer));
      const reply = await requestSigned(connection, SUBJECTS.controlStart, request, 5000);
      return StartReply.parse(JSON.parse(new TextDecoder().decode(reply)));
    } finally {
      await connection.close();
    }
  }

  async status(): Promise<string | undefined> {
    return (await new PlanRepository(this.#owner.session).find(this.federation.planHash))?.status;
  }

  rounds(): Promise<RoundRow[]> {
    return new RoundRepository(this.#owner.sql).list(this.federation.planHash);
  }

  async outcomes(): Promise<(string | number | undefined)[][]> {
    return (await this.rounds()).map(({ purpose, status, participants }) => [purpose, status, participants]);
  }

  /** Indices of the released rounds whose sum is not that of their participants, to the last integer. */
  async wrongSums(): Promise<number[]> {
    const released = (await this.rounds()).filter(({ status }) => status === 'released');
    const wrong = released.filter(({ index, length, bits, participants = 0, aggregate = new Uint8Array() }) => {
      const expected = scriptedValues({ index, length }).map((value) => value * participants);
      return toSigned(decodeIntegers(aggregate).values, bits).join() !== expected.join();
    });
    return wrong.map(({ index }) => index);
  }

  /** Waits until `index` rounds are closed. */
  closed(index: number): Promise<void> {
    return this.until(`round ${String(index)} is closed`, async () => {
      const rounds = await this.rounds();
      return rounds.filter(({ status }) => status !== 'open').length >= index;
    });
  }

  completed(): Promise<void> {
    return this.until('the federation is completed', async () => (await this.status()) === 'completed');
  }

  async until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!(await reached())) {
      if (performance.now() > deadline) {
        const log = this.services.flatMap(({ log: lines }) => lines.filter(({ level }) => level !== 'info').slice(-10));
        throw new Error(
          `not within ${String(WAIT_MS)} ms: ${what}\n${log.map((line) => JSON.stringify(line)).join('\n')}`,
        );
      }
      await pause(25);
    }
  }

  async ledgerEntries(): Promise<LedgerRow[]> {
    const entries: LedgerRow[] = [];
    for await (const entry of new LedgerRepository(this.#owner.session).entries()) entries.push(entry);
    return entries;
  }

  /** What an auditor finds in the ledger as it stands. */
  async verify(): Promise<Verification> {
    const { checkpoint } = this.federation.plan.keys;
    const checkpoints = await new LedgerRepository(this.#owner.session).checkpoints();
    const lines = exportLines(ledgerOrigin(checkpoint), await this.ledgerEntries(), checkpoints);
    const publicKeys = { checkpoint: this.federation.signer('checkpoint').publicKey };
    return verifyLedger(lines, { publicKeys, sha256, verifySignature });
  }

  async end(): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill()));
    await Promise.all(this.holders.map((holder) => holder.close()));
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await this.accountant.close();
    await this.#owner.close();
  }
}
