import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InvalidInputError } from '@fedcarbon/kernel';
import { syncFolder } from '@fedcarbon/service';

/**
 * One text in a file, readable and writable for its owner only, under a checksum:
 *
 *     <SHA-256 of the text, 64 hexadecimal digits> <text>\n
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  // After a crash there is the old file or the new one, whole: the draft has its final content on disk before it takes the name.
  const draft = draftOf(path);
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(`${sha256Hex(text)} ${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  await syncFolder(dirname(path));
}

/**
 * The text that `replaceFile` wrote last; undefined when there is no file. Removes what a crash has left of a later one, which must not outlive the records
 * in it. Throws InvalidInputError for a damaged file.
 */
export async function readChecked(path: string): Promise<string | undefined> {
  await rm(draftOf(path), { force: true });
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (content === undefined) return undefined;
  const text = content.slice(65, -1);
  if (content !== `${sha256Hex(text)} ${text}\n`) throw new InvalidInputError(`${path}: the checksum does not fit`);
  return text;
}

const draftOf = (path: string): string => `${path}.draft`;

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
