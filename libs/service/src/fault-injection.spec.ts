import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const repository = resolve(import.meta.dirname, '../../..');
const program = `
  const { faultInjection } = await import(${JSON.stringify(pathToFileURL(resolve(import.meta.dirname, 'fault-injection.ts')).href)});
  const at = faultInjection();
  for (const point of ['read', 'stored', 'sent', 'stored', 'sent']) {
    at(point);
    process.stdout.write(point + ' ');
  }`;

function run(env: Readonly<Record<string, string>>) {
  const loader = ['--import', pathToFileURL(resolve(repository, 'tools/ts.mjs')).href];
  const { stdout, signal } = spawnSync(process.execPath, [...loader, '--input-type=module', '--eval', program], {
    cwd: repository,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  return [stdout.trim(), signal];
}

describe('faultInjection', () => {
  it('ends the process at its point in tests', () => {
    expect(run({ NODE_ENV: 'test', FEDCARBON_FAULT: 'sent' })).toEqual(['read stored', 'SIGKILL']);
    expect(run({ NODE_ENV: 'test', FEDCARBON_FAULT: 'sent:2' })).toEqual(['read stored sent stored', 'SIGKILL']);
  });

  it('does nothing outside tests, and where no fault or another one is asked for', () => {
    const all = ['read stored sent stored sent', null];
    expect(run({ NODE_ENV: 'production', FEDCARBON_FAULT: 'sent' })).toEqual(all);
    expect(run({ NODE_ENV: 'test', FEDCARBON_FAULT: '' })).toEqual(all);
    expect(run({ NODE_ENV: 'test', FEDCARBON_FAULT: 'received' })).toEqual(all);
  });
});
