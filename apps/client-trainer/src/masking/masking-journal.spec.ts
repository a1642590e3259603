import { temporaryFolder } from '@fedcarbon/testing';
import { expect, it } from '@jest/globals';
import { silent } from '../site.support.ts';
import { openMaskingJournal } from './masking-journal.ts';

it('a masking journal is one for each plan, and refuses another holder', async () => {
  const folder = temporaryFolder('masking');
  const whose = { dir: folder.path, holder: 'alder', dataset: 'stock', planHash: 'a'.repeat(64), log: silent };
  const opened = [await openMaskingJournal(whose), await openMaskingJournal({ ...whose, planHash: 'b'.repeat(64) })];
  expect(new Set(opened.map(({ path }) => path)).size).toBe(2);
  for (const other of [{ holder: 'birch' }, { planHash: `${'a'.repeat(12)}${'b'.repeat(52)}` }]) {
    await expect(openMaskingJournal({ ...whose, ...other })).rejects.toMatchObject({ code: 'facts_of_another' });
  }
  await Promise.all(opened.map((journal) => journal.close()));
  folder.remove();
});
