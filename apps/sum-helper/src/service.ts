import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CONSUMERS, SumHelperConfig } from '@fedcarbon/contracts';
import { brokerStatus, connectBroker, JetStreamServer, publishSigned } from '@fedcarbon/messaging';
import {
  ConfigurationError,
  FactFile,
  faultInjection,
  healthModule,
  loadPlan,
  loadSealingKey,
  loadSigner,
  secureSumCrypto,
  type ServiceDefinition,
  sha256,
  takeLock,
  verifySignature,
} from '@fedcarbon/service';
import { SumHelperModule } from './sum-helper.module.ts';
import { type FaultPoint, SumHelper } from './sum-helper.ts';

const MAX_CONCURRENT = 1;
const NAK_DELAY_MS = 200;

/** sum-helper: the second server of a plan's secure sum, run by another organisation than the rest. It only dials out, and has no database. */
export const sumHelper: ServiceDefinition<SumHelperConfig> = {
  name: 'sum-helper',
  config: SumHelperConfig,
  async compose({ config, logger }) {
    const { plan, planHash } = loadPlan(config.planFile);
    const { secureSum } = plan.privacy;
    if (secureSum?.protocol !== 'two-servers') {
      throw new ConfigurationError(`${config.planFile}: the plan "${plan.name}" has no second server`);
    }
    const signer = loadSigner(config.keyFile, secureSum.helper.publicKey);
    const sealingKey = loadSealingKey(config.sealingKeyFile, secureSum.helper.sealingKey);
    mkdirSync(config.factsDir, { recursive: true, mode: 0o700 });
    const path = join(config.factsDir, `${planHash.slice(0, 12)}.helper`);
    // Two helpers with one key could answer for two sets of survivors.
    const unlock = takeLock(`${path}.lock`);
    const facts = await FactFile.open({
      path,
      identity: { kind: 'sum-helper', version: 1, planHash },
      remedy: 'put no older copy back and end the plan: a helper that has forgotten its answers must not give others',
      log: logger,
    });
    const connection = await connectBroker({ access: config.broker, name: 'sum-helper', logger });
    const helper = new SumHelper({
      ...{ plan, planHash, facts, signer, sealingKey, sha256, verifySignature, crypto: secureSumCrypto, log: logger },
      publish: (message) => publishSigned(connection, message),
      faultPoint: faultInjection<FaultPoint>(),
    });
    const health = healthModule({ ready: () => Promise.resolve({ broker: brokerStatus(connection) }) });
    return {
      module: SumHelperModule.with(helper, health, ({ code, message }) => {
        logger.fatal({ code }, message);
        process.stderr.write(`sum-helper: ${message}\n`);
        process.exit(1);
      }),
      microservices: [
        new JetStreamServer({
          ...{ connection, owner: 'sum-helper', consumers: [CONSUMERS.helper()] },
          ...{ maxConcurrent: MAX_CONCURRENT, nakDelayMs: NAK_DELAY_MS, logger },
        }),
      ],
      async close() {
        await connection.close();
        await facts.close();
        unlock();
      },
    };
  },
};
