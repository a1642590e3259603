import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { placeFile, readFileIfAny, removeFileOf } from './index.ts';

describe('a file that one process owns at a time', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fedcarbon-exclusive-'));
    path = join(folder, 'mark');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const draft = (text: string) => {
    const file = join(folder, `draft-${text}`);
    writeFileSync(file, text);
    return file;
  };

  it('goes to the first of two', () => {
    expect(placeFile(draft('first'), path)).toBe(true);
    expect(placeFile(draft('second'), path)).toBe(false);
    expect(readFileIfAny(path)).toBe('first');
  });

  it('is removed by its text only, and leaves nothing beside it', () => {
    writeFileSync(path, 'theirs');
    removeFileOf(path, 'stale');
    expect(readFileSync(path, 'utf8')).toBe('theirs');
    removeFileOf(path, 'theirs');
    expect(existsSync(path)).toBe(false);
    removeFileOf(path, 'theirs');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says when it cannot be placed for another reason', () => {
    expect(() => placeFile(join(folder, 'nothing'), path)).toThrow(/ENOENT/);
    expect(readFileIfAny(join(folder, 'nothing'))).toBeUndefined();
  });
});
