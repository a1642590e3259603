import { BenchmarkApiConfig, SUBJECTS } from '@fedcarbon/contracts';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import { type BrokerConnection, brokerStatus, connectBroker, onSignal } from '@fedcarbon/messaging';
import { createDatabase } from '@fedcarbon/persistence';
import { createAccountant } from '@fedcarbon/privacy';
import {
  ConfigurationError,
  healthModule,
  type Logger,
  loadPlan,
  type ServiceDefinition,
  sha256,
} from '@fedcarbon/service';
import { AppModule } from './app.module.ts';
import { ApiKeys } from './http/api-keys.ts';
import { ServedPlan } from './http/served-plan.ts';
import { planScope, type PlanScope } from './snapshot/plan-scope.ts';
import { RecordReader } from './snapshot/records.ts';
import { SnapshotKeeper } from './snapshot/snapshot-keeper.ts';

const POOL_SIZE = 4;
const POLL_MS = 2000;

/** benchmark-api: answers from what one plan has published, also while everything else is down. */
export const benchmarkApi: ServiceDefinition<BenchmarkApiConfig> = {
  name: 'benchmark-api',
  config: BenchmarkApiConfig,
  compose({ config, logger }) {
    const scope = loadScope(config.planFile);
    const database = createDatabase({
      url: config.databaseUrl,
      poolSize: POOL_SIZE,
      applicationName: 'benchmark-api',
    });
    const keeper = new SnapshotKeeper({
      scope,
      reader: new RecordReader(database, scope.planHash, sha256),
      accountant: createAccountant(),
      logger,
      pollMs: POLL_MS,
    });
    const signal = new RoundSignal(config, logger, () => void keeper.refresh());
    const ready = async () => ({
      database: await database.status(),
      broker: signal.status(),
      snapshot: keeper.current !== undefined || 'the database has not been read yet',
    });
    return Promise.resolve({
      module: AppModule.with({
        served: new ServedPlan(scope.plan, scope.planHash, keeper),
        keys: new ApiKeys(config.apiKeys),
        session: database.session,
        health: healthModule({ ready }),
      }),
      async started() {
        signal.connect();
        await keeper.start();
      },
      async close() {
        await signal.close();
        await keeper.stop();
        await database.close();
      },
    });
  },
};

function loadScope(planFile: string): PlanScope {
  const { plan, planHash } = loadPlan(planFile);
  try {
    return planScope(plan, planHash);
  } catch (error) {
    if (error instanceof InvalidInputError) throw new ConfigurationError(`${planFile}: ${error.message}`);
    throw error;
  }
}

/** Hears of closed rounds. The service does not wait for the broker: without it news comes with the next look at the database. */
class RoundSignal {
  readonly #config: BenchmarkApiConfig;
  readonly #logger: Logger;
  readonly #onRound: () => void;
  #connection: BrokerConnection | undefined;
  #failure = 'not connected yet';
  #closed = false;

  constructor(config: BenchmarkApiConfig, logger: Logger, onRound: () => void) {
    this.#config = config;
    this.#logger = logger;
    this.#onRound = onRound;
  }

  connect(): void {
    connectBroker({ access: this.#config.broker, name: 'benchmark-api', logger: this.#logger }).then(
      async (connection) => {
        if (this.#closed) return connection.close();
        this.#connection = connection;
        onSignal(connection, SUBJECTS.roundClosed, this.#onRound);
      },
      (error: unknown) => {
        this.#failure = describeError(error);
        this.#logger.error({ reason: this.#failure }, 'no signals from the broker; looking at the database only');
      },
    );
  }

  status(): true | string {
    return this.#connection === undefined ? this.#failure : brokerStatus(this.#connection);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connection?.close();
  }
}
