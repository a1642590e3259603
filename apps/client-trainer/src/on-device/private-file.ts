import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { InvalidInputError } from '@fedcarbon/kernel';

/**
 * One text in a file, readable and writable for its owner only, under a checksum:
 *
 *     <SHA-256 of the text, 64 hexadecimal digits> <text>\n
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  // After a crash there is the old file or the new one, whole: the draft has its final content on disk before it takes the name.
  const draft = `${path}.draft`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(`${sha256Hex(text)} ${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

/** The text that `replaceFile` wrote last; undefined when there is no file. Throws InvalidInputError for a damaged one. */
export async function readChecked(path: string): Promise<string | undefined> {
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (content === undefined) return undefined;
  const text = content.slice(65, -1);
  if (content !== `${sha256Hex(text)} ${text}\n`) throw new InvalidInputError(`${path}: the checksum does not fit`);
  return text;
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
