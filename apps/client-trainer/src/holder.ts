import { type ClientTrainerConfig, CONSUMERS } from '@fedcarbon/contracts';
import { describeError } from '@fedcarbon/kernel';
import {
  type BrokerConnection,
  brokerStatus,
  connectBroker,
  JetStreamServer,
  publishSigned,
  requestSigned,
} from '@fedcarbon/messaging';
import {
  cryptoRandom,
  type FactFile,
  faultInjection,
  JournalUnwritableError,
  type LoadedPlan,
  loadSigner,
  type Logger,
  secureSumCrypto,
  sha256,
  systemClock,
} from '@fedcarbon/service';
import { setTimeout as pause } from 'node:timers/promises';
import { AccountantClient } from './accountant-client.ts';
import { type HolderRecords, readHolderRecords } from './holder-records.ts';
import { Journal } from './journal/journal.ts';
import { MaskingHost } from './masking/masking-host.ts';
import { openMaskingJournal } from './masking/masking-journal.ts';
import { fitOnThread } from './on-device/fit.ts';
import { OnDeviceModel } from './on-device/on-device-model.ts';
import type { FaultPoint, HolderLink } from './ports.ts';
import { exactNoise } from './release.ts';
import { membershipOf, Trainer, type TrainerParts } from './trainer.ts';
import { UpdateSender } from './update-sender.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const RESEND_CHECK_MS = 500;
const TAKE_UP_WAIT_MS = 2_000;
const FIRST_HELLO_WAIT_MS = 2_000;
const LAST_HELLO_WAIT_MS = 30_000;
/** Tasks wait for one another; receipts need not wait for them. */
const MAX_CONCURRENT = 4;
const NAK_DELAY_MS = 200;

export type HolderConfig = ClientTrainerConfig['holders'][number];

/** One holder within the process: its own broker user, keys, journal and records. Nothing is shared with the others but the memory of the accounting and of good signatures. */
export interface Holder {
  readonly name: string;
  readonly config: HolderConfig;
  readonly journal: Journal;
  readonly records: HolderRecords;
  readonly trainer: Trainer;
  /** Undefined under trust `local`. */
  readonly masking: MaskingHost | undefined;
  readonly onDevice: OnDeviceModel;
  readonly sender: UpdateSender;
  readonly server: JetStreamServer;
  readonly log: Logger;
  /** `true`, or why it cannot work now. */
  status(): true | string;
  /** Begins to rebuild the journal where needed, to take up what a crash left, and to repeat unanswered updates. `fail` ends the process. */
  start(fail: (error: JournalUnwritableError) => void): void;
  close(): Promise<void>;
}

/** Opens journal and records, then connects. Throws an error of one sentence when a file, a key or the journal cannot be used. */
export async function openHolder(
  config: HolderConfig,
  { plan, planHash }: LoadedPlan,
  { epsilons, verify }: Pick<TrainerParts, 'epsilons' | 'verify'>,
  logger: Logger,
): Promise<Holder> {
  const log = logger.child({ holder: config.holder });
  const signer = loadSigner(config.keyFile);
  const membership = membershipOf(plan, planHash, config.holder, signer.publicKey);
  const { member, region } = membership;
  const records = await readHolderRecords(config.dataDir, plan);
  // Counts are for the holder's own eyes, and logs may be read elsewhere.
  if (Object.values(records.rejected).some((reasons) => Object.keys(reasons).length > 0)) {
    log.warn({}, 'some rows were rejected; GET /v1/holders on this machine says how many and why');
  }
  const { holder, dataset } = member;
  const journal = await Journal.open({ dir: config.journalDir, holder, dataset, cap: config.cap, log });
  let facts: FactFile | undefined;
  let onDevice: OnDeviceModel;
  let connection: BrokerConnection;
  const closeJournals = async () => {
    await facts?.close();
    await journal.close();
  };
  try {
    if (plan.privacy.secureSum !== null && config.acceptedPlanHashes.includes(planHash)) {
      facts = await openMaskingJournal({ dir: config.journalDir, holder, dataset, planHash, log });
    }
    onDevice = await OnDeviceModel.open({
      dir: config.journalDir,
      membership,
      records: records.training,
      fit: fitOnThread,
      sha256,
      log,
    });
    connection = await connectBroker({ access: config.broker, name: `client-trainer/${holder}`, logger: log });
  } catch (error) {
    await closeJournals();
    throw error;
  }
  const link = holderLink(connection);
  const shared = { journal, link, signer, sha256, clock: systemClock, log, faultPoint: faultInjection<FaultPoint>() };
  const sender = new UpdateSender({ ...shared, holder, region, planHash });
  const masking =
    facts &&
    new MaskingHost({
      ...{ ...shared, membership, facts },
      ...{ verify, random: cryptoRandom, crypto: { ...secureSumCrypto, verifySignature: verify } },
    });
  const trainer = new Trainer({
    ...shared,
    membership,
    masking,
    cap: config.cap,
    acceptedPlanHashes: config.acceptedPlanHashes,
    records,
    accountant: new AccountantClient({ link, signer, verify, accountantKey: plan.keys.accountant }),
    sender,
    onPublished: (weights) => onDevice.take(weights),
    verify,
    random: cryptoRandom,
    noise: exactNoise(cryptoRandom),
    epsilons,
  });
  const server = new JetStreamServer({
    connection,
    owner: holder,
    consumers: [CONSUMERS.holder(holder)],
    maxConcurrent: MAX_CONCURRENT,
    nakDelayMs: NAK_DELAY_MS,
    logger: log,
  });
  let timer: NodeJS.Timeout | undefined;
  return {
    ...{ name: holder, config, journal, records, trainer, masking, onDevice, sender, server, log },
    // Not whether the journal is rebuilt: the accountant learns of a new holder with its first plan, and a task waits for it anyway.
    status: () => brokerStatus(connection),
    start(fail) {
      const closed = () => connection.isClosed();
      const failed = (error: unknown) => {
        if (error instanceof JournalUnwritableError && !closed()) fail(error);
      };
      void takeUp(trainer, log, closed).catch(failed);
      if (masking !== undefined) void join(masking, log, closed).catch(failed);
      timer = setInterval(() => void sender.sendDue(), RESEND_CHECK_MS);
    },
    async close() {
      clearInterval(timer);
      await connection.close();
      await onDevice.idle();
      await closeJournals();
    },
  };
}

/** A holder's connection as the use cases see it. */
export function holderLink(connection: BrokerConnection): HolderLink {
  return {
    request: (subject, signed) => requestSigned(connection, subject, signed, REQUEST_TIMEOUT_MS),
    async publish(subject, signed, messageId) {
      await publishSigned(connection, { subject, messageId, ...signed });
    },
  };
}

/**
 * Says hello in the plan's secure sum, in the background, and again ever more rarely until the block is set up: the global-aggregator may not run yet, and
 * what it answers may not arrive. The same for a later block.
 */
async function join(masking: MaskingHost, log: Logger, closed: () => boolean): Promise<void> {
  let waitMs = FIRST_HELLO_WAIT_MS;
  const trying = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      if (error instanceof JournalUnwritableError) throw error;
      log.info({ reason: describeError(error) }, 'a masking message is not sent yet');
    }
  };
  if (masking.out !== undefined) log.error({}, masking.out);
  await trying(() => masking.resume());
  let { block } = masking;
  while (!closed()) {
    await trying(() => masking.announce());
    await pause(waitMs, undefined, { ref: false });
    waitMs = masking.ready || masking.block > block ? FIRST_HELLO_WAIT_MS : Math.min(2 * waitMs, LAST_HELLO_WAIT_MS);
    ({ block } = masking);
  }
}

/** What was left behind, in the background: the journal's history, so that the operator sees the budget before the first task, then prepared updates. */
async function takeUp(trainer: Trainer, log: Logger, closed: () => boolean): Promise<void> {
  let complaint = '';
  while (!closed()) {
    try {
      await trainer.rebuild();
      await trainer.resume();
      return;
    } catch (error) {
      if (error instanceof JournalUnwritableError) throw error;
      const reason = describeError(error);
      if (reason !== complaint) log.info({ reason }, 'the accountant cannot help yet; asking again');
      complaint = reason;
      await pause(TAKE_UP_WAIT_MS, undefined, { ref: false });
    }
  }
}
