import { GlobalAggregatorConfig, RegionalAggregatorConfig } from '@fedcarbon/contracts';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError, loadConfig, loadPlan, loadSigner } from './index.ts';

const folder = temporaryFolder('config');
afterAll(() => {
  folder.remove();
});
const file = (name: string, content: unknown): string => {
  const path = join(folder.path, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const SECRET = 'hunter2-and-more';
const broker = { servers: ['nats://127.0.0.1:4222'], user: 'region-north', password: SECRET };
const valid = {
  http: { port: 0 },
  planFile: 'plan.json',
  databaseUrl: `postgresql://fc_region:${SECRET}@127.0.0.1/fc`,
  regions: [{ name: 'north', broker, keyFile: '../keys/north.pem' }],
};

describe('loadConfig', () => {
  it('reads the file of --config, else of FEDCARBON_CONFIG, and resolves its paths against its folder', () => {
    const path = file('valid.json', valid);
    const config = loadConfig(RegionalAggregatorConfig, ['--config', path], { FEDCARBON_CONFIG: '/nowhere' });
    expect(config).toEqual({
      ...valid,
      http: { host: '127.0.0.1', port: 0 },
      logLevel: 'info',
      planFile: join(folder.path, 'plan.json'),
      regions: [{ name: 'north', broker, keyFile: join(folder.path, '../keys/north.pem') }],
    });
    expect(loadConfig(RegionalAggregatorConfig, [], { FEDCARBON_CONFIG: path })).toEqual(config);
  });

  it('lists every problem with its place, and no value', () => {
    const wrong = { ...valid, databaseUrl: SECRET, plan: 'x', regions: [{ ...valid.regions[0], name: SECRET + '!' }] };
    const error = failure(() => loadConfig(RegionalAggregatorConfig, ['--config', file('wrong.json', wrong)], {}));
    expect(error.exitCode).toBe(2);
    for (const place of ['wrong.json', 'databaseUrl', 'regions.0.name', '"plan"'])
      expect(error.message).toContain(place);
    expect(error.message).not.toContain(SECRET);
  });

  it.each([
    ['no configuration', []],
    ['there is no such file', ['--config', '/nowhere/x.json']],
    ['only option is --config', ['--port', '1']],
  ])('says %j', (message, argv) => {
    expect(failure(() => loadConfig(GlobalAggregatorConfig, argv, {})).message).toContain(message);
  });

  it('does not quote a file that is not JSON', () => {
    const path = file('broken.json', `{"password": ${SECRET}}`);
    const error = failure(() => loadConfig(GlobalAggregatorConfig, ['--config', path], {}));
    expect(error.message).toBe(`${path} is not JSON`);
    expect(error.cause).toBeUndefined();
  });

  it('names the file of a plan or key that cannot be used, and never quotes a key', () => {
    const plan = file('plan.json', { version: 2, password: SECRET });
    expect(failure(() => loadPlan(plan)).message).toMatch(/plan\.json: version: .*; .*privacy/);
    const key = file('key.pem', `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`);
    expect(failure(() => loadSigner(key)).message).toBe(`${key} is not a private key in PEM`);
  });
});

function failure(act: () => unknown): ConfigurationError {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
