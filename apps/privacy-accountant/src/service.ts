import { PrivacyAccountantConfig } from '@fedcarbon/contracts';
import { brokerStatus, connectBroker, RequestServer } from '@fedcarbon/messaging';
import { createDatabase, PlanRepository, PrivacyRepository } from '@fedcarbon/persistence';
import { createAccountant } from '@fedcarbon/privacy';
import {
  healthModule,
  loadSigner,
  type ServiceDefinition,
  sha256,
  systemClock,
  verifySignature,
} from '@fedcarbon/service';
import { PlanDirectory } from './plan-directory.ts';
import { PrivacyAccountantModule } from './privacy-accountant.module.ts';

/** Requests of one client follow each other on its lock; this many clients are served side by side. */
const POOL_SIZE = 16;

/** privacy-accountant as a service: everything it needs comes from its configuration. */
export const privacyAccountant: ServiceDefinition<PrivacyAccountantConfig> = {
  name: 'privacy-accountant',
  config: PrivacyAccountantConfig,
  async compose({ config, logger }) {
    const signer = loadSigner(config.keyFile);
    const database = createDatabase({
      url: config.databaseUrl,
      poolSize: POOL_SIZE,
      applicationName: 'privacy-accountant',
    });
    const connection = await connectBroker({ access: config.broker, name: 'privacy-accountant', logger });
    const health = healthModule({
      ready: async () => ({ database: await database.status(), broker: brokerStatus(connection) }),
    });
    const parts = {
      record: new PrivacyRepository(database.sql),
      plans: new PlanDirectory(new PlanRepository(database.session), sha256),
      composer: createAccountant(),
      signer,
      verifySignature,
      clock: systemClock,
      reservationTtlMs: config.reservationTtlMs,
    };
    return {
      module: PrivacyAccountantModule.with(parts, health),
      microservices: [new RequestServer({ connection, owner: 'privacy-accountant', logger })],
      async close() {
        await connection.close();
        await database.close();
      },
    };
  },
};
