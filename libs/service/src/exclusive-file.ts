import { linkSync, readFileSync, renameSync, rmSync } from 'node:fs';

/**
 * Files that one process owns at a time. Their text is written to a draft first and then placed, so that nobody ever reads half of it.
 */

/** Places a finished draft at `path`. False when somebody's file stands there. The draft stays: it is the caller's to delete. */
export function placeFile(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the file that held `text`, and no other: one that was placed there meanwhile is put back. */
export function removeFileOf(path: string, text: string): void {
  const aside = `${path}.stale.${String(process.pid)}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // Somebody else has removed it.
  }
  if (readFileIfAny(aside) !== text) placeFile(aside, path);
  rmSync(aside, { force: true });
}

/** Text of a file, or undefined when there is none to read. */
export function readFileIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
