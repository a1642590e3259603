import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { brokerUser } from '@fedcarbon/contracts';
import { holderFile, planText, type TestFederation } from './example-federation.support.ts';
import { PASSWORD } from './federation-broker.support.ts';
import type { FaultPoint } from './ports.ts';

const DEADLINE_MS = 20_000;

/** A trainer as its own process, as `npm start` runs it. */
export interface TrainerProcess {
  readonly process: ChildProcess;
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  /** What it has written to standard output and standard error so far. */
  readonly output: () => string;
  readonly complaints: () => string;
}

/** Writes plan, keys, data of 30 buildings each and the configuration into `folder`. Returns the configuration's path. */
export function configure(
  folder: string,
  federation: TestFederation,
  options: { readonly holders: readonly string[]; readonly brokerUrl: string; readonly port?: number },
): string {
  const { holders, brokerUrl, port = 0 } = options;
  writeFileSync(join(folder, 'plan.json'), planText(federation.plan));
  holders.forEach((holder, i) => {
    mkdirSync(join(folder, holder), { recursive: true });
    writeFileSync(join(folder, holder, 'train.csv'), holderFile(i, 30));
    writeFileSync(join(folder, `${holder}.pem`), federation.holderPems[holder] ?? '');
  });
  const config = {
    http: { host: '127.0.0.1', port },
    planFile: 'plan.json',
    holders: holders.map((holder) => ({
      holder,
      broker: { servers: [brokerUrl], user: brokerUser.holder(holder), password: PASSWORD },
      keyFile: `${holder}.pem`,
      dataDir: holder,
      journalDir: `${holder}/journal`,
      cap: { epsilon: 1, delta: 1e-5 },
      acceptedPlanHashes: [federation.planHash],
    })),
  };
  const path = join(folder, `trainer-${holders.join('-')}.json`);
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** Runs the sources. */
export function launch(
  config: string,
  { fault }: { readonly fault?: FaultPoint | `${FaultPoint}:${number}` } = {},
): TrainerProcess {
  const loader = ['--conditions=source', '--import', resolve(import.meta.dirname, '../../../tools/ts.mjs')];
  const program = resolve(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [...loader, program, '--config', config], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NODE_ENV: 'test',
      ...(fault === undefined ? {} : { FEDCARBON_FAULT: fault }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaints = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
  const ended = once(child, 'exit') as TrainerProcess['ended'];
  return { process: child, ended, output: () => output, complaints: () => complaints };
}

/** The address that the process says it listens on. Throws with its last words when it says none. */
export function listening(launched: TrainerProcess): Promise<string> {
  return until(() => /"url":"([^"]+)"/.exec(launched.output())?.[1], launched.complaints);
}

/** The first value of `look` that is neither undefined nor false. Throws after 20 s, with what `why` says. */
export async function until<T>(
  look: () => T | false | undefined | Promise<T | false | undefined>,
  why: () => string = () => '',
): Promise<T> {
  for (const end = Date.now() + DEADLINE_MS; Date.now() < end; await pause(5)) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`waited in vain: ${why()}`);
}
