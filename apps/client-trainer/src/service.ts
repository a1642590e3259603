import { ClientTrainerConfig } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { createAccountant } from '@fedcarbon/privacy';
import {
  healthModule,
  type JournalUnwritableError,
  loadPlan,
  rememberingVerify,
  type ServiceDefinition,
  verifySignature,
} from '@fedcarbon/service';
import { AppModule } from './app.module.ts';
import { type Holder, openHolder } from './holder.ts';
import { requireTrueCosts } from './release.ts';

/** client-trainer: trains for one or more holders, each apart from the others, beside their data. It only dials out. */
export const clientTrainer: ServiceDefinition<ClientTrainerConfig> = {
  name: 'client-trainer',
  config: ClientTrainerConfig,
  async compose({ config, logger }) {
    const names = config.holders.map(({ holder }) => holder);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) throw new InvalidInputError(`the configuration names the holder "${twice}" twice`);
    const plan = loadPlan(config.planFile);
    requireTrueCosts(plan.plan);
    const fail = (error: JournalUnwritableError) => {
      logger.fatal({ code: error.code }, error.message);
      process.stderr.write(`client-trainer: ${error.message}\n`);
      process.exit(1);
    };
    const shared = { epsilons: createAccountant(), verify: rememberingVerify(verifySignature) };
    const opened = await Promise.allSettled(config.holders.map((holder) => openHolder(holder, plan, shared, logger)));
    const holders = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const close = async () => {
      await Promise.all(holders.map((holder) => holder.close()));
    };
    const failed = opened.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await close();
      throw failed.reason;
    }
    return {
      module: AppModule.with({
        holders,
        epsilons: shared.epsilons,
        health: healthModule({ ready: () => Promise.resolve(readiness(holders)) }),
        fail,
      }),
      microservices: holders.map(({ server }) => server),
      started() {
        for (const holder of holders) holder.start(fail);
      },
      close,
    };
  },
};

function readiness(holders: readonly Holder[]): Record<string, true | string> {
  return Object.fromEntries(holders.map((holder) => [holder.name, holder.status()]));
}
