import { temporaryFolder } from '@fedcarbon/testing';
import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';

jest.setTimeout(30_000);
const root = join(import.meta.dirname, '../../..');
const folder = temporaryFolder('service');
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  folder.remove();
});

/** A service whose `GET /slow` answers after 300 ms, as a process of its own. `compose` is the body of the function. */
function start(options: { port?: number; config?: string; compose?: string }) {
  const config = join(folder.path, 'config.json');
  writeFileSync(
    config,
    options.config ?? JSON.stringify({ http: { host: '127.0.0.1', port: options.port ?? 0 }, logLevel: 'info' }),
  );
  const source = `
    import { runService, healthModule } from '@fedcarbon/service';
    import { FedcarbonError } from '@fedcarbon/kernel';
    import { Controller, Get, Module } from '@nestjs/common';
    import { z } from 'zod';
    class Slow { slow() { console.log('slow asked'); return new Promise((done) => setTimeout(done, 300, { slow: true })); } }
    Get('slow')(Slow.prototype, 'slow', Object.getOwnPropertyDescriptor(Slow.prototype, 'slow'));
    Controller()(Slow);
    class App {}
    Module({ controllers: [Slow], imports: [healthModule({ ready: async () => ({}) })] })(App);
    await runService({
      name: 'example',
      config: z.strictObject({ http: z.strictObject({ host: z.string(), port: z.number() }), logLevel: z.string() }),
      async compose({ logger }) { ${options.compose ?? ''}
        return { module: App, close: async () => { console.log('parts closed'); } };
      },
    });`;
  const args = ['--import', './tools/ts.mjs', '--input-type=module', '--eval', source];
  const env = { ...process.env, NODE_OPTIONS: '', FEDCARBON_CONFIG: config };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const logs = () =>
    stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));
  const said = async (text: string) => {
    while (!stdout.includes(text)) {
      if (child.exitCode !== null) throw new Error(`it ended with ${String(child.exitCode)}: ${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { child, exited, logs, said, stdout: () => stdout, stderr: () => stderr };
}

describe('runService in a process of its own', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'answers what is under way when %s comes, closes its parts and exits with 0',
    async (signal) => {
      const service = start({});
      await service.said('listening');
      const url = String(service.logs().at(-1)?.['url']);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      const slow = fetch(`${url}/slow`);
      await service.said('slow asked');
      service.child.kill(signal);
      expect(await (await slow).json()).toEqual({ slow: true });
      expect(await service.exited).toBe(0);
      expect(service.stdout()).toContain('parts closed');
      expect(service.logs().map((line) => line['msg'])).toEqual(['listening', 'stopping']);
      expect(service.stderr()).toBe('');
    },
  );

  it('stops at once while it still waits for a part', async () => {
    const service = start({ compose: `logger.info('waiting'); await new Promise((r) => setTimeout(r, 3_600_000));` });
    await service.said('waiting');
    service.child.kill('SIGTERM');
    expect(await service.exited).toBe(0);
  });

  it('says in one sentence that its port is in use, and closes its parts', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as AddressInfo;
    const service = start({ port });
    const code = await service.exited;
    blocker.close();
    expect(code).toBe(1);
    expect(service.stderr()).toBe(
      `example: 127.0.0.1:${String(port)} is in use: stop what listens there, or set another http.port\n`,
    );
    expect(service.stdout()).toContain('parts closed\n');
  });

  it.each([
    [{ config: '{}' }, 2, /^example: \S+config\.json: http: .*; logLevel: [^\n]*\n$/],
    [{ config: 'nonsense' }, 2, /^example: \S+config\.json is not JSON\n$/],
    [
      { compose: `throw new FedcarbonError('migrations', 'the database lacks 2 migrations: run them');` },
      1,
      /^example: the database lacks 2 migrations: run them\n$/,
    ],
    [
      { compose: `throw new Error('no server at\\n postgresql://fc_api:hunter2@db/fc');` },
      1,
      /^example: no server at postgresql:\/\/fc_api:\*\*\*@db\/fc\n$/,
    ],
    [
      {
        compose: `await import('node:net').then(({ connect }) => new Promise((_, no) => connect(1, '127.0.0.1').on('error', no)));`,
      },
      1,
      /^example: cannot connect: [^\n]*127\.0\.0\.1:1; [^\n]*\n$/,
    ],
  ])('ends with one sentence and a code when it cannot start: %j', async (options, code, sentence) => {
    const service = start(options);
    expect(await service.exited).toBe(code);
    expect(service.stderr()).toMatch(sentence);
  });

  it('ends with a fatal log line after an error that nobody caught', async () => {
    const service = start({ compose: `setTimeout(() => { void Promise.reject(new Error('lost')); }, 2000);` });
    expect(await service.exited).toBe(1);
    expect(service.logs().at(-1)).toMatchObject({ level: 'fatal', msg: 'unexpected error', err: { message: 'lost' } });
  });
});
