import { RegionalAggregatorConfig } from '@fedcarbon/contracts';
import { createDatabase } from '@fedcarbon/persistence';
import { ConfigurationError, healthModule, loadPlan, type ServiceDefinition } from '@fedcarbon/service';
import { openRegion } from './region.ts';
import { RegionalAggregatorModule } from './regional-aggregator.module.ts';

/** One transaction, one statement beside it and the outbox, for each region. */
const CONNECTIONS_PER_REGION = 3;

/** regional-aggregator: serves one or more regions, each apart from the others. */
export const regionalAggregator: ServiceDefinition<RegionalAggregatorConfig> = {
  name: 'regional-aggregator',
  config: RegionalAggregatorConfig,
  async compose({ config, logger }) {
    const names = config.regions.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) throw new ConfigurationError(`the configuration names the region "${twice}" twice`);
    const plan = loadPlan(config.planFile);
    const database = createDatabase({
      url: config.databaseUrl,
      poolSize: CONNECTIONS_PER_REGION * names.length,
      applicationName: 'regional-aggregator',
    });
    await database.ping();
    const regions = await Promise.all(config.regions.map((region) => openRegion(region, plan, database, logger)));
    const ready = async () => ({
      database: await database.status(),
      ...Object.fromEntries(regions.map((region) => [`broker (${region.name})`, region.status()])),
    });
    return {
      module: RegionalAggregatorModule.with(
        new Map(regions.map(({ name, collector }) => [name, collector])),
        healthModule({ ready }),
      ),
      microservices: regions.map(({ server }) => server),
      started() {
        for (const region of regions) region.start();
      },
      async close() {
        await Promise.all(regions.map((region) => region.close()));
        await database.close();
      },
    };
  },
};
