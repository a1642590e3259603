import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  BenchmarkApiConfig,
  ClientTrainerConfig,
  GlobalAggregatorConfig,
  PrivacyAccountantConfig,
  RegionalAggregatorConfig,
  SumHelperConfig,
} from '@fedcarbon/contracts';
import { loadConfig, loadPlan } from '@fedcarbon/service';
import { simulateStock } from '@fedcarbon/stock';
import { parsePlanFile, partitionSpec, stockView } from '@fedcarbon/plan';
import { partitionStock } from '@fedcarbon/stock';
import { parse } from 'yaml';
import { Credentials } from './credentials.ts';
import { Home } from './home.ts';
import { brokerUsers, type ServiceProcess, writeConfigs, writePlan } from './provision.ts';
import type { Simulation } from './simulation.ts';

describe.each([
  { plan: 'ecebd-20', services: 9, helpers: 0 },
  { plan: 'ecebd-20-two-servers', services: 10, helpers: 1 },
])('provisioning the simulation $plan', ({ plan, services, helpers }) => {
  let home: Home;
  let simulation: Simulation;
  let processes: ServiceProcess[];
  let written: ReturnType<typeof writePlan>;

  beforeAll(async () => {
    home = new Home(mkdtempSync(join(tmpdir(), 'fedcarbon-home-')));
    const source = join(import.meta.dirname, '../../../federations', `${plan}.yaml`);
    const file = parsePlanFile(parse(readFileSync(source, 'utf8')), source);
    const records = simulateStock({ records: 300, seed: 1 });
    const stock = {
      dataset: 'ecebd' as const,
      data: { kind: 'simulated' as const, seed: 1 },
      provenance: 'test',
      records,
      rejected: {},
      rows: 300,
    };
    simulation = { file, stock, view: stockView(file.stock), holders: partitionStock(records, partitionSpec(file)) };
    const credentials = Credentials.open(home);
    written = writePlan(simulation, credentials, home);
    let port = 20_000;
    const addresses = {
      listenHost: '127.0.0.1',
      ownerUrl: 'postgresql://postgres:secret@127.0.0.1:5432/postgres',
      brokerUrl: 'nats://127.0.0.1:4222',
      apiPort: 8080,
      nextPort: async () => port++,
    };
    processes = await writeConfigs(written, addresses, credentials, home);
  });
  afterAll(() => {
    rmSync(home.root, { recursive: true, force: true });
  });

  it('makes processes whose configurations the services accept', () => {
    const schemas = {
      'global-aggregator': GlobalAggregatorConfig,
      'privacy-accountant': PrivacyAccountantConfig,
      'benchmark-api': BenchmarkApiConfig,
      'regional-aggregator': RegionalAggregatorConfig,
      'client-trainer': ClientTrainerConfig,
      'sum-helper': SumHelperConfig,
    };
    for (const { app, configFile, port } of processes) {
      const config = loadConfig<{ http: { port: number } }>(schemas[app as keyof typeof schemas] as never, [
        '--config',
        configFile,
      ]);
      expect(config.http.port).toBe(port);
    }
    const count = (app: string) => processes.filter((process) => process.app === app).length;
    expect(processes).toHaveLength(services);
    expect(['regional-aggregator', 'client-trainer', 'sum-helper'].map(count)).toEqual([2, 4, helpers]);
  });

  it('gives each service only its own secrets, in files of its own', () => {
    for (const { configFile } of processes) {
      expect(statSync(configFile).mode & 0o077).toBe(0);
      // The superuser's password belongs to nobody but the migrations.
      expect(readFileSync(configFile, 'utf8')).not.toContain('postgres:secret');
    }
    const passwords = processes.map(
      ({ configFile }) => new Set(readFileSync(configFile, 'utf8').match(/"password": "[^"]+"/g)),
    );
    const all = passwords.flatMap((set) => [...set]);
    expect(new Set(all).size).toBe(all.length);
    // Three services, four regions, twenty holders, and the helper.
    expect(all).toHaveLength(27 + helpers);
  });

  it('splits every record to one holder and keeps test records apart', () => {
    const ids = simulation.holders.flatMap(({ id }) =>
      ['train', 'test'].flatMap((part) =>
        readFileSync(join(home.dataDir(id, 'ecebd'), `${part}.csv`), 'utf8')
          .trim()
          .split('\n')
          .slice(1)
          .map((line) => line.split(',')[0]),
      ),
    );
    expect(ids.filter((id) => id !== '').length).toBe(simulation.stock.records.length);
  });

  it('resolves to the same plan again, because keys are kept', () => {
    expect(loadPlan(written.planFile).planHash).toBe(written.hash);
    expect(writePlan(simulation, Credentials.open(home), home).hash).toBe(written.hash);
    expect(brokerUsers(written.plan, Credentials.open(home))).toEqual(
      brokerUsers(written.plan, Credentials.open(home)),
    );
  });
});
