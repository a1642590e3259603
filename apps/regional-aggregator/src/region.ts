import { CONSUMERS, type RegionalAggregatorConfig } from '@fedcarbon/contracts';
import { describeError } from '@fedcarbon/kernel';
import {
  brokerStatus,
  connectBroker,
  JetStreamServer,
  onReconnect,
  OutboxPump,
  publishSigned,
} from '@fedcarbon/messaging';
import { type Database, OutboxRepository } from '@fedcarbon/persistence';
import { summationOf } from '@fedcarbon/round';
import {
  ConfigurationError,
  faultInjection,
  type LoadedPlan,
  loadSigner,
  type Logger,
  sha256,
  systemClock,
  verifySignature,
} from '@fedcarbon/service';
import type { FaultPoint } from './fault-point.ts';
import { RegionCollector } from './region-collector.ts';
import { storeOf } from './store.ts';

/** A region's updates arrive together; all of them may join one batch. */
const MAX_CONCURRENT = 32;
const NAK_DELAY_MS = 200;
const OUTBOX_POLL_MS = 1000;
const TICK_MS = 100;

/** A region as this process serves it: own broker user, key and outbox. */
export interface Region {
  readonly name: string;
  readonly collector: RegionCollector;
  readonly server: JetStreamServer;
  status(): true | string;
  /** Takes up again what an earlier process left, and watches deadlines from now on. */
  start(): void;
  close(): Promise<void>;
}

/** Throws ConfigurationError when the plan has no such region, or another key for it. */
export async function openRegion(
  { name, broker, keyFile }: RegionalAggregatorConfig['regions'][number],
  { plan, planHash }: LoadedPlan,
  database: Database,
  logger: Logger,
): Promise<Region> {
  const region = plan.regions.find((candidate) => candidate.name === name);
  if (region === undefined) throw new ConfigurationError(`the plan "${plan.name}" has no region "${name}"`);
  const signer = loadSigner(keyFile, region.publicKey);
  const connection = await connectBroker({ access: broker, name: `regional-aggregator/${name}`, logger });
  const outbox = new OutboxPump({
    owner: `region:${name}`,
    source: new OutboxRepository(database.sql, `region:${name}`),
    publish: (message) => publishSigned(connection, message),
    logger,
    pollMs: OUTBOX_POLL_MS,
  });
  const faultPoint = faultInjection<FaultPoint>();
  const collector = new RegionCollector({
    place: { plan, planHash, region, summation: summationOf(plan, planHash, sha256) },
    store: storeOf(database, name, () => {
      faultPoint('settling');
    }),
    signer,
    sha256,
    verifySignature,
    clock: systemClock,
    log: logger,
    committed: () => {
      outbox.poke();
    },
    faultPoint,
  });
  const attempt = (work: Promise<void>, what: string) => {
    work.catch((error: unknown) => {
      logger.warn({ region: name, reason: describeError(error) }, what);
    });
  };
  const sendTasksAgain = () => {
    attempt(collector.sendTasksAgain(), 'could not send tasks again');
  };
  onReconnect(connection, sendTasksAgain);
  let timer: NodeJS.Timeout | undefined;
  return {
    name,
    collector,
    server: new JetStreamServer({
      connection,
      owner: name,
      consumers: [CONSUMERS.regionRounds(name), CONSUMERS.regionUpdates(name)],
      maxConcurrent: MAX_CONCURRENT,
      nakDelayMs: NAK_DELAY_MS,
      logger,
    }),
    status: () => brokerStatus(connection),
    start() {
      sendTasksAgain();
      timer = setInterval(() => {
        attempt(collector.tick(), 'could not look for what is due');
      }, TICK_MS);
    },
    async close() {
      clearInterval(timer);
      await outbox.stop();
      await connection.close();
    },
  };
}
