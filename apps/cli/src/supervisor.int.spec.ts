import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { processIdentity } from '@fedcarbon/service';
import { Supervisor } from './supervisor.ts';

const LIVES = 'console.log("alive", process.pid); setInterval(() => undefined, 1000);';

describe('Supervisor', () => {
  let folder: string;
  let supervisor: Supervisor;
  const said: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fedcarbon-supervisor-'));
    said.length = 0;
    supervisor = new Supervisor({ logsDir: folder, say: (line) => said.push(line), onChange: () => undefined });
  });
  afterEach(async () => {
    await supervisor.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const script = (name: string, code: string) => {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(file, code);
    return { name, kind: 'script' as const, script: file, args: [] };
  };
  const pidOf = (name: string) => supervisor.processes().find((process) => process.name === name)?.pid;
  const alive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  const logged = (name: string, text: string) => {
    const file = join(folder, `${name}.log`);
    return existsSync(file) && readFileSync(file, 'utf8').includes(text);
  };
  async function eventually(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('the condition did not come true within 10 s');
      await pause(10);
    }
  }

  it('starts again what was killed, and keeps its output', async () => {
    await supervisor.keep(script('service', LIVES));
    const first = pidOf('service');
    await eventually(() => logged('service', 'alive'));
    process.kill(first!, 'SIGKILL');
    await eventually(() => pidOf('service') !== undefined && pidOf('service') !== first);
    expect(said).toEqual(['service ended and is started again']);
    expect(supervisor.processes()).toEqual([{ name: 'service', ...processIdentity(pidOf('service')!), restarts: 1 }]);
  });

  it('leaves nothing running, also what does not listen to SIGTERM', async () => {
    const stubborn = `process.on('SIGTERM', () => undefined); ${LIVES}`;
    await supervisor.keep(script('polite', LIVES));
    await supervisor.keep(script('stubborn', stubborn));
    await eventually(() => ['polite', 'stubborn'].every((name) => logged(name, 'alive')));
    const pids = supervisor.processes().map(({ pid }) => pid!);
    await supervisor.stop();
    expect(pids.filter(alive)).toEqual([]);
    expect(said).toEqual([]);
  }, 20_000);

  it('does not start again what ends while it stops', async () => {
    await supervisor.keep(script('service', LIVES));
    const pid = pidOf('service')!;
    process.kill(pid, 'SIGKILL');
    await supervisor.stop();
    await pause(300);
    expect(pidOf('service')).toBeUndefined();
    expect(alive(pid)).toBe(false);
  });

  it('gives up on what cannot run, with its last words', async () => {
    await supervisor.keep(script('broken', 'console.error("no database there"); process.exit(3);'));
    await expect(supervisor.failed).rejects.toThrow(/broken ended 8 times within a minute: no database there/);
  }, 60_000);

  it('keeps the last words of what it stops', async () => {
    const talks = `process.on('SIGTERM', () => { console.log('x'.repeat(200_000)); console.log('goodbye'); process.exitCode = 0; clearInterval(timer); });
      const timer = setInterval(() => undefined, 1000); console.log('alive');`;
    await supervisor.keep(script('service', talks));
    await eventually(() => logged('service', 'alive'));
    await supervisor.stop();
    expect(logged('service', 'goodbye')).toBe(true);
  });

  it('starts nothing once it stops, and waits for a server that is still starting', async () => {
    const events: string[] = [];
    let ready: () => void = () => undefined;
    const starting = supervisor.keep({
      name: 'server',
      kind: 'server',
      async start(onSpawn) {
        onSpawn(process.pid);
        await new Promise<void>((done) => (ready = done));
        const stop = () => Promise.resolve(void events.push('stopped'));
        return { pid: process.pid, url: '', exited: new Promise(() => undefined), stop };
      },
    });
    expect(pidOf('server')).toBe(process.pid);
    const stopped = supervisor.stop().then(() => events.push('all stopped'));
    await expect(supervisor.keep(script('late', LIVES))).rejects.toThrow(/late is not started/);
    ready();
    await Promise.all([starting, stopped]);
    expect(events).toEqual(['stopped', 'all stopped']);
  });
});
