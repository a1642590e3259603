import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '@fedcarbon/kernel';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JournalUnwritableError } from './checked-lines.ts';
import { FactFile, type FactFileOptions } from './fact-file.ts';

const silent = { warn: () => undefined };
const fact = (n: number) => new Uint8Array(40).fill(n);

describe('FactFile', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  const opened: FactFile[] = [];
  beforeEach(() => {
    folder = temporaryFolder('facts');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((file) => file.close()));
    folder.remove();
  });
  const openFacts = async (options: Partial<FactFileOptions> = {}) => {
    const file = await FactFile.open({
      ...{ path: join(folder.path, 'facts'), identity: { kind: 'test', of: 'alder' } },
      ...{ remedy: 'delete it', log: silent },
      ...options,
    });
    opened.push(file);
    return file;
  };
  const filled = async (facts: number) => {
    const file = await openFacts();
    for (let n = 1; n <= facts; n++) await file.append(fact(n));
    await file.close();
    return file.path;
  };
  const hex = ({ facts }: FactFile) => facts.map(toHex);

  it('gives back its facts in order, and begins with none', async () => {
    expect((await openFacts()).facts).toEqual([]);
    await opened.pop()?.close();
    await filled(3);
    expect(hex(await openFacts())).toEqual([1, 2, 3].map((n) => toHex(fact(n))));
  });

  it('drops a last fact that was cut short at any byte', async () => {
    const path = await filled(2);
    const whole = readFileSync(path);
    const lastLine = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (const kept of [lastLine + 1, lastLine + 17, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, kept));
      const file = await openFacts();
      expect(hex(file)).toEqual([toHex(fact(1))]);
      await file.append(fact(2));
      await file.close();
      expect(readFileSync(path)).toEqual(whole);
    }
  });

  it('refuses a changed, a missing and a repeated fact, and names the line', async () => {
    const path = await filled(3);
    const lines = readFileSync(path, 'utf8').split('\n');
    const changed = (lines[2] ?? '').slice(0, -1) + (lines[2]?.endsWith('A') === true ? 'B' : 'A');
    for (const [damaged, line] of [
      [lines.toSpliced(2, 1, changed), 3],
      [lines.toSpliced(2, 1), 3],
      [lines.toSpliced(2, 0, lines[2] ?? ''), 4],
    ] as const) {
      writeFileSync(path, damaged.join('\n'));
      await expect(openFacts()).rejects.toThrow(
        new RegExp(`line ${String(line)}: the checksum does not fit; delete it`),
      );
    }
  });

  it('belongs to one party, and only its owner may read it', async () => {
    const path = await filled(1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(openFacts({ identity: { kind: 'test', of: 'birch' } })).rejects.toMatchObject({
      code: 'facts_of_another',
    });
  });

  it('takes nothing after it could not write', async () => {
    const openFile = () =>
      Promise.resolve({
        ...{ write: () => Promise.reject(new Error('ENOSPC: no space left on device')) },
        ...{ datasync: () => Promise.resolve(), truncate: () => Promise.resolve(), close: () => Promise.resolve() },
      });
    await filled(1);
    const file = await openFacts({ openFile });
    await expect(file.append(fact(2))).rejects.toThrow(/cannot be written \(ENOSPC/);
    await expect(file.append(fact(2))).rejects.toBeInstanceOf(JournalUnwritableError);
  });
});
