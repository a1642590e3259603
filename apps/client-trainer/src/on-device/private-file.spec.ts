import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidInputError } from '@fedcarbon/kernel';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readChecked, replaceFile } from './private-file.ts';

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder('private-file');
  path = join(folder.path, 'a.residual');
});
afterEach(() => {
  folder.remove();
});

describe('a private file', () => {
  it('holds what was written last, for its owner only, and nothing else is left behind', async () => {
    expect(await readChecked(path)).toBeUndefined();
    for (const text of ['first', 'second, longer', '']) {
      await replaceFile(path, text);
      expect(await readChecked(path)).toBe(text);
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(['a.residual']);
  });

  it('stays as it was when a crash leaves a draft, which the next text replaces and the next reader removes', async () => {
    await replaceFile(path, 'old');
    const crash = () => {
      writeFileSync(`${path}.draft`, 'half of a ne');
    };
    crash();
    expect(await readChecked(path)).toBe('old');
    expect(readdirSync(folder.path)).toEqual(['a.residual']);
    crash();
    await replaceFile(path, 'new');
    expect(await readChecked(path)).toBe('new');
    expect(readdirSync(folder.path)).toEqual(['a.residual']);
  });

  it('is known to be damaged, whatever byte is changed or missing', async () => {
    await replaceFile(path, '{"version":1}');
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      for (const damaged of [whole.subarray(0, at), whole.map((byte, i) => (i === at ? byte ^ 1 : byte))]) {
        writeFileSync(path, damaged);
        await expect(readChecked(path)).rejects.toThrow(InvalidInputError);
      }
    }
  });
});
