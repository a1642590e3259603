import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BenchmarkAnswer } from '@fedcarbon/contracts';
import { seededRandom, temporaryFolder, testDatabase } from '@fedcarbon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXAMPLE_KEYS, ExampleFederation } from './example-federation.support.ts';

const loader = new URL('../../../tools/ts.mjs', import.meta.url).href;
const main = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = temporaryFolder('benchmark-api');
let example: ExampleFederation;
let service: ChildProcess;
let exited: Promise<number | null>;
let url: string;
let output = '';

// Nothing listens on the broker's port: a service that has to start while everything but the database is down.
beforeAll(async () => {
  example = await ExampleFederation.begin(await testDatabase(), seededRandom('service'));
  await example.complete();
  const broker = { servers: ['nats://127.0.0.1:1'], user: 'service-benchmark-api', password: 'not-asked-for' };
  const { file } = example.writeConfig(folder.path, broker);
  const { NODE_OPTIONS: _jests, ...env } = process.env;
  service = spawn(process.execPath, ['--import', loader, main, '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  exited = new Promise((resolve) => service.once('exit', resolve));
  url = await new Promise((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const listening = /"url":"([^"]+)"/.exec(output)?.[1];
      if (listening !== undefined) resolve(listening);
    };
    service.stdout?.on('data', read);
    service.stderr?.on('data', read);
    service.once('exit', () => {
      reject(new Error(`it did not start: ${output}`));
    });
  });
}, 60_000);
afterAll(async () => {
  service.kill('SIGKILL');
  await example.close();
  folder.remove();
});

describe('the process', () => {
  it('answers without a broker, and says in /readyz what is missing', async () => {
    const headers = { authorization: `Bearer ${EXAMPLE_KEYS.analyst}` };
    const response = await fetch(`${url}/v1/benchmarks`, { headers });
    expect(BenchmarkAnswer.parse(await response.json()).status).toBe('ok');
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ parts: { database: true, snapshot: true, broker: expect.any(String) } });
  });

  it('ends with 0 on SIGTERM', async () => {
    service.kill('SIGTERM');
    expect(await exited).toBe(0);
  }, 30_000);
});
