import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRunning, processIdentity, type ProcessIdentity } from '@fedcarbon/service';
import { Home } from './home.ts';
import { RunMark } from './running.ts';

describe('RunMark', () => {
  let home: Home;
  let children: ChildProcess[];
  let said: string[];
  const say = (line: string) => {
    said.push(line);
  };
  beforeEach(() => {
    home = new Home(mkdtempSync(join(tmpdir(), 'fedcarbon-mark-')));
    children = [];
    said = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(home.root, { recursive: true, force: true });
  });

  async function lives(code = ''): Promise<ProcessIdentity> {
    const child = spawn(process.execPath, ['-e', `${code}; console.log('up'); setInterval(() => undefined, 1000)`]);
    children.push(child);
    await once(child.stdout, 'data');
    return processIdentity(child.pid!)!;
  }
  const later = ({ pid, startedAt }: ProcessIdentity) => ({ pid, startedAt: `${startedAt}0` });
  const leave = (owner: ProcessIdentity, processes: readonly ProcessIdentity[]) => {
    const named = processes.map((process, k) => ({ name: `service-${String(k)}`, ...process, restarts: 0 }));
    writeFileSync(home.runFile, JSON.stringify({ ...owner, processes: named }));
  };
  const owner = () => (JSON.parse(readFileSync(home.runFile, 'utf8')) as ProcessIdentity).pid;

  it('refuses a home in which somebody lives, and leaves its mark and processes alone', async () => {
    const [other, service] = [await lives(), await lives()];
    leave(other, [service]);
    await expect(new RunMark(home).take(say)).rejects.toThrow(
      `a federation is running already (process ${String(other.pid)})`,
    );
    expect(owner()).toBe(other.pid);
    expect(isRunning(service)).toBe(true);
    expect(readdirSync(home.root)).toEqual(['run.json']);
  });

  it('takes over from one that has ended, also when its number is in use again, and stops exactly what it left', async () => {
    const [stranger, service] = [await lives(), await lives()];
    const stubborn = await lives("process.on('SIGINT', () => undefined)");
    leave(later(stranger), [service, later(stranger), stubborn]);
    await new RunMark(home).take(say);
    expect(said).toEqual(['stopping what a killed run left behind: service-0, service-2']);
    expect([stranger, service, stubborn].map(isRunning)).toEqual([true, false, false]);
    expect(owner()).toBe(process.pid);
    expect(readdirSync(home.root)).toEqual(['run.json']);
  }, 30_000);

  it('gives a home to one of several that want it at once', async () => {
    leave(later(await lives()), [await lives()]);
    const results = await Promise.allSettled([1, 2, 3].map(() => new RunMark(home).take(say)));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
  });

  it('is kept while something that it names still runs', async () => {
    const mark = new RunMark(home);
    await mark.take(say);
    mark.write([{ name: 'service', ...(await lives()), restarts: 0 }]);
    mark.release();
    expect(existsSync(home.runFile)).toBe(true);
    mark.write([{ name: 'service', restarts: 0 }]);
    mark.release();
    expect(existsSync(home.runFile)).toBe(false);
  });
});
