import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InvalidInputError } from '@fedcarbon/kernel';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silent } from '../site.support.ts';
import type { FactOf } from './facts.ts';
import { type JournalFile, JournalUnwritableError } from '@fedcarbon/service';
import { Journal, type JournalOptions } from './journal.ts';
import { LockedError } from '@fedcarbon/service';

const planHash = 'a'.repeat(64);
const event = { kind: 'discreteGaussian' as const, sigmaSquared: 64, sensitivitySquared: 8, steps: 1 };
const cap = { epsilon: 1, delta: 1e-5 };
const preparedIn = (index: number): FactOf<'prepared'> => ({
  kind: 'prepared',
  ...{ planHash, roundId: `${planHash.slice(0, 12)}-${String(index)}`, attempt: 1, event },
  digest: String(index).padStart(64, '0'),
  payload: 'A'.repeat(200),
  deadlineAtMs: 1,
});

describe('Journal', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  const opened: Journal[] = [];
  beforeEach(() => {
    folder = temporaryFolder('journal');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((journal) => journal.close()));
    folder.remove();
  });

  const openJournal = async (options: Partial<JournalOptions> = {}) => {
    const journal = await Journal.open({
      ...{ dir: folder.path, holder: 'alder', dataset: 'stock', cap, log: silent },
      ...options,
    });
    opened.push(journal);
    return journal;
  };
  const path = () => join(folder.path, 'stock.journal');
  const filled = async (rounds: number) => {
    const journal = await openJournal();
    await journal.append({ kind: 'rebuilt', charges: [] });
    for (let index = 1; index <= rounds; index++) await journal.append(preparedIn(index));
    await journal.close();
    return journal.state;
  };

  it('says after a restart what it said before', async () => {
    const before = await filled(3);
    expect((await openJournal()).state).toEqual(before);
    expect(before.attempts.size).toBe(3);
  });

  it('drops a last line that was cut short at any byte, and goes on behind the whole ones', async () => {
    await filled(2);
    const whole = readFileSync(path());
    const lastLine = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (const kept of [lastLine + 1, lastLine + 17, lastLine + 60, whole.length - 1]) {
      writeFileSync(path(), whole.subarray(0, kept));
      const warnings: string[] = [];
      const journal = await openJournal({ log: { ...silent, warn: (_, message) => warnings.push(message) } });
      expect(warnings).toEqual([expect.stringContaining('cut short')]);
      expect([...journal.state.attempts.keys()]).toEqual([`${planHash.slice(0, 12)}-1/1`]);
      await journal.append(preparedIn(2));
      await journal.close();
      expect(readFileSync(path())).toEqual(whole);
    }
  });

  it('refuses a damaged line, a line too few and a line twice, and names the line', async () => {
    await filled(3);
    const whole = readFileSync(path(), 'utf8');
    const lines = whole.split('\n');
    const damaged = whole.replace('"digest":"' + '2'.padStart(64, '0'), '"digest":"' + '9'.padStart(64, '0'));
    expect(damaged).not.toBe(whole);
    for (const [text, line] of [
      [damaged, 4],
      [lines.toSpliced(2, 1).join('\n'), 3],
      [lines.toSpliced(2, 0, lines[2] ?? '').join('\n'), 4],
    ] as const) {
      writeFileSync(path(), text);
      await expect(openJournal()).rejects.toThrow(new RegExp(`stock.journal, line ${String(line)}: the checksum`));
    }
  });

  it('refuses the journal of another holder', async () => {
    await filled(1);
    await expect(openJournal({ holder: 'birch' })).rejects.toThrow(/is the journal of alder \(stock\), not of birch/);
    await expect(openJournal({ holder: 'birch' })).rejects.toBeInstanceOf(InvalidInputError);
  });

  it('records that the operator changed the cap', async () => {
    await filled(1);
    await (await openJournal({ cap: { epsilon: 2, delta: 1e-5 } })).close();
    expect((await openJournal({ cap: { epsilon: 2, delta: 1e-5 } })).state.cap).toEqual({ epsilon: 2, delta: 1e-5 });
    expect(readFileSync(path(), 'utf8').match(/capChanged/g)).toHaveLength(1);
  });

  it('is for one trainer at a time', async () => {
    const first = await openJournal();
    await expect(openJournal()).rejects.toThrow(new RegExp(`in use by process ${String(process.pid)}`));
    await first.close();
    await openJournal();
  });

  it('takes over the lock of a process that has ended, also when its number lives again, but not one of another machine', async () => {
    mkdirSync(folder.path, { recursive: true });
    const lock = `${path()}.lock`;
    for (const owner of [
      JSON.stringify({ host: hostname(), pid: 2 ** 22 + 1, startedAt: '1' }),
      JSON.stringify({ host: hostname(), pid: process.pid, startedAt: 'long ago' }),
      '',
    ]) {
      writeFileSync(lock, owner);
      await (await openJournal()).close();
    }
    writeFileSync(lock, JSON.stringify({ host: 'elsewhere', pid: 1, startedAt: '1' }));
    await expect(openJournal()).rejects.toBeInstanceOf(LockedError);
  });

  it('on a full disk says so in one sentence, takes nothing more, and holds whole lines only', async () => {
    const before = await filled(1);
    const whole = readFileSync(path());
    let room = Infinity;
    const fullAfter = async (file: string): Promise<JournalFile> => {
      const handle = await open(file, 'a');
      return {
        write: (async (bytes: Uint8Array, offset: number) => {
          if (room <= 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
          const part = bytes.subarray(offset, offset + room);
          room -= part.length;
          return handle.write(part);
        }) as JournalFile['write'],
        datasync: () => handle.datasync(),
        truncate: (length) => handle.truncate(length),
        close: () => handle.close(),
      };
    };
    const journal = await openJournal({ openFile: fullAfter });
    room = 100;
    const failure = await journal.append(preparedIn(2)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(JournalUnwritableError);
    expect((failure as Error).message).toMatch(
      /stock.journal cannot be written \(ENOSPC: no space left on device.*\); nothing was sent/,
    );
    expect(journal.state).toEqual(before);
    await expect(journal.append(preparedIn(2))).rejects.toBeInstanceOf(JournalUnwritableError);
    expect(readFileSync(path())).toEqual(whole);
  });

  it('keeps the order of facts that are handed in together', async () => {
    const journal = await openJournal();
    await Promise.all([
      journal.append({ kind: 'rebuilt', charges: [] }),
      ...[1, 2, 3, 4].map((index) => journal.append(preparedIn(index))),
    ]);
    await journal.close();
    expect([...(await openJournal()).state.attempts.values()].map(({ roundId }) => roundId.at(-1))).toEqual([
      '1',
      '2',
      '3',
      '4',
    ]);
  });

  it('refuses a fact of a kind that it does not know', async () => {
    await filled(0);
    appendFileSync(path(), '0000000000000000 {"kind":"unheard"}\n');
    await expect(openJournal()).rejects.toThrow(/line 3: the checksum/);
  });
});
