import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { isRunning, processIdentity } from './process-identity.ts';

describe('processIdentity', () => {
  it('stays the same while a process lives, and differs between processes', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
    const identity = processIdentity(child.pid!);
    expect(identity?.pid).toBe(child.pid);
    expect(processIdentity(child.pid!)).toEqual(identity);
    expect(isRunning(identity!)).toBe(true);

    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isRunning(identity!)).toBe(false);
    expect(processIdentity(child.pid!)).toBeUndefined();
  });

  it('does not take a later process of the same number for an earlier one', () => {
    const mine = processIdentity(process.pid)!;
    expect(isRunning({ ...mine, startedAt: `${mine.startedAt}0` })).toBe(false);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('does not count what has ended but was not collected by its parent', async () => {
    // The shell becomes `sleep`, which never collects the child that the shell had started.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(chunk.toString());
    for (let tries = 0; processIdentity(pid) !== undefined && tries < 500; tries++)
      await new Promise((done) => setTimeout(done, 10));
    expect(() => process.kill(pid, 0)).not.toThrow();
    expect(processIdentity(pid)).toBeUndefined();
    parent.kill('SIGKILL');
  });
});
