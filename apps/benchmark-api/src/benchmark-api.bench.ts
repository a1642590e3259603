import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { BrokerAccess } from '@fedcarbon/contracts';
import { EXAMPLE_KEYS, ExampleFederation } from './example-federation.support.ts';

export interface BenchmarkFigures {
  readonly connections: number;
  readonly requestsPerSecond: number;
  /** In whole milliseconds, as autocannon gives it. */
  readonly p99Ms: number;
  /** Resident memory after the load, MiB; NaN where the system does not tell. */
  readonly rssMb: number;
}

/** Where the service runs: an empty database (url of a superuser), an empty folder, a broker that lets it in. */
export interface Place {
  readonly ownerUrl: string;
  readonly folder: string;
  readonly broker: BrokerAccess;
}

/**
 * Measures GET /v1/benchmarks of a published federation: the service as a process of its own with the heap limit that `npm start` gives it, asked by
 * autocannon, another one, over `connections` connections. Compiled when this module is, else from its sources through the loader that runs this process.
 */
export async function benchBenchmarks(
  { ownerUrl, folder, broker }: Place,
  { connections = 10, seconds = 5 } = {},
): Promise<BenchmarkFigures> {
  const example = await ExampleFederation.begin(ownerUrl);
  let service: ChildProcess | undefined;
  try {
    await example.complete();
    const { file } = example.writeConfig(folder, broker);
    service = startProcess(file);
    const url = await ready(service);
    const target = { url: `${url}/v1/benchmarks?country=DK`, key: EXAMPLE_KEYS.analyst, connections };
    await load({ ...target, seconds: 2 });
    const result = await load({ ...target, seconds });
    if (result.non2xx > 0 || result.errors > 0) {
      throw new Error(`${String(result.non2xx)} answers were no answer and ${String(result.errors)} requests failed`);
    }
    return {
      connections,
      requestsPerSecond: result.requests.average,
      p99Ms: result.latency.p99,
      rssMb: residentMb(service.pid),
    };
  } finally {
    service?.kill('SIGTERM');
    await example.close();
  }
}

interface LoadResult {
  readonly requests: { readonly average: number };
  readonly latency: { readonly p99: number };
  readonly non2xx: number;
  readonly errors: number;
}

/** Needs a checkout: the load generator is no part of what is installed elsewhere. */
async function load(target: {
  readonly url: string;
  readonly key: string;
  readonly connections: number;
  readonly seconds: number;
}): Promise<LoadResult> {
  const autocannon = createRequire(import.meta.url).resolve('autocannon');
  const { connections, seconds, key, url } = target;
  const options = ['--json', '--connections', String(connections), '--duration', String(seconds)];
  const args = [autocannon, ...options, '--headers', `authorization=Bearer ${key}`, url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  return JSON.parse(output) as LoadResult;
}

function startProcess(configFile: string): ChildProcess {
  const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'main.ts' : 'main.js', import.meta.url));
  const args = [...process.execArgv, '--max-old-space-size=128', main, '--config', configFile];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The service's address, once it is ready. */
async function ready(service: ChildProcess): Promise<string> {
  const url = await new Promise<string>((resolve, reject) => {
    let output = '';
    service.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const listening = /"url":"([^"]+)"/.exec(output)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    service.once('exit', () => {
      reject(new Error(`benchmark-api did not start: ${output}`));
    });
  });
  for (const deadline = performance.now() + 30_000; performance.now() < deadline;) {
    const response = await fetch(`${url}/readyz`);
    if (response.ok) return url;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error('benchmark-api did not get ready');
}

/** VmRSS as Linux tells it. */
function residentMb(pid: number | undefined): number {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
    return Number(kilobytes) / 1024;
  } catch {
    return NaN;
  }
}
