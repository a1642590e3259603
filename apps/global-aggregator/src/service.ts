import { CONSUMERS, GlobalAggregatorConfig, ledgerOrigin } from '@fedcarbon/contracts';
import { describeError } from '@fedcarbon/kernel';
import {
  brokerStatus,
  connectBroker,
  JetStreamServer,
  keepStreams,
  onReconnect,
  OutboxPump,
  publishSigned,
  RequestServer,
} from '@fedcarbon/messaging';
import { createDatabase, OutboxRepository } from '@fedcarbon/persistence';
import { createAccountant } from '@fedcarbon/privacy';
import {
  ConfigurationError,
  cryptoRandom,
  faultInjection,
  healthModule,
  loadPlan,
  loadSigner,
  secureSumCrypto,
  type ServiceDefinition,
  sha256,
  systemClock,
  verifySignature,
} from '@fedcarbon/service';
import { CheckpointSigner } from './checkpoint-signer.ts';
import type { FaultPoint } from './fault-point.ts';
import { FederationRunner } from './federation-runner.ts';
import { GlobalAggregatorModule } from './global-aggregator.module.ts';
import { storeOf } from './store.ts';

const POOL_SIZE = 6;
/** Reports are checked side by side, and messages of the secure sum join one batch; locks order what follows. */
const MAX_CONCURRENT = 64;
const NAK_DELAY_MS = 200;
const OUTBOX_POLL_MS = 1000;
const TICK_MS = 100;

/** global-aggregator: opens and closes the rounds of one plan, publishes models and benchmarks, keeps and signs the ledger. */
export const globalAggregator: ServiceDefinition<GlobalAggregatorConfig> = {
  name: 'global-aggregator',
  config: GlobalAggregatorConfig,
  async compose({ config, logger }) {
    const { plan, planHash, bytes } = loadPlan(config.planFile);
    if (plan.privacy.trust === 'none') {
      throw new ConfigurationError(`${config.planFile}: trust "none" is for in-process baselines only`);
    }
    const signer = loadSigner(config.keyFile, plan.keys.global);
    const checkpointSigner = loadSigner(config.checkpointKeyFile, plan.keys.checkpoint);
    const database = createDatabase({
      url: config.databaseUrl,
      poolSize: POOL_SIZE,
      applicationName: 'global-aggregator',
    });
    const committed: (() => void)[] = [];
    const runner = new FederationRunner({
      plan,
      planHash,
      planBytes: bytes,
      store: storeOf(database, planHash),
      signer,
      checkpoints: new CheckpointSigner({
        origin: ledgerOrigin(plan.keys.checkpoint),
        signer: checkpointSigner,
        sha256,
        verifySignature,
      }),
      composer: createAccountant(),
      sha256,
      crypto: secureSumCrypto,
      verifySignature,
      random: cryptoRandom,
      clock: systemClock,
      log: logger,
      committed: () => {
        for (const poke of committed) poke();
      },
      faultPoint: faultInjection<FaultPoint>(),
    });
    // The accountant knows members by what is stored here, so nothing starts without it.
    await runner.enrol();
    const connection = await connectBroker({ access: config.broker, name: 'global-aggregator', logger });
    const stopStreams = keepStreams(connection, plan, logger);
    const outbox = new OutboxPump({
      owner: 'global',
      source: new OutboxRepository(database.sql, 'global'),
      publish: (message) => publishSigned(connection, message),
      logger,
      pollMs: OUTBOX_POLL_MS,
    });
    committed.push(() => {
      outbox.poke();
    });
    const again = (work: Promise<void>, what: string) => {
      work.catch((error: unknown) => {
        logger.warn({ reason: describeError(error) }, what);
      });
    };
    const announce = () => {
      again(runner.announceAgain(), 'could not announce the open round again');
    };
    onReconnect(connection, announce);
    let timer: NodeJS.Timeout | undefined;
    return {
      module: GlobalAggregatorModule.with(
        runner,
        healthModule({ ready: async () => ({ database: await database.status(), broker: brokerStatus(connection) }) }),
      ),
      microservices: [
        new JetStreamServer({
          connection,
          owner: 'global-aggregator',
          consumers: [CONSUMERS.global(), CONSUMERS.masking()],
          maxConcurrent: MAX_CONCURRENT,
          nakDelayMs: NAK_DELAY_MS,
          logger,
        }),
        new RequestServer({ connection, owner: 'global-aggregator', logger }),
      ],
      started() {
        announce();
        timer = setInterval(() => {
          again(runner.tick(), 'could not look for what is due');
        }, TICK_MS);
      },
      async close() {
        clearInterval(timer);
        stopStreams();
        await outbox.stop();
        await connection.close();
        await database.close();
      },
    };
  },
};
