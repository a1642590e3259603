import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidInputError } from '@fedcarbon/kernel';
import { temporaryFolder } from '@fedcarbon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readHolderRecords } from './holder-records.ts';
import { holderFile, testFederation } from './example-federation.support.ts';

const { plan } = testFederation(['alder']);

describe('the records of a holder', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder('records');
  });
  afterEach(() => {
    folder.remove();
  });
  const write = (name: string, text: string) => {
    writeFileSync(join(folder.path, name), text);
  };
  const [header = '', ...rows] = holderFile(0, 6).split(/\r?\n/);

  it('are those of train.csv for the model, and those of test.csv too for the benchmarks', async () => {
    write('train.csv', [header, ...rows.slice(0, 4)].join('\n'));
    write('test.csv', [header, ...rows.slice(4)].join('\n'));
    const records = await readHolderRecords(folder.path, plan);
    expect(records.training.y).toHaveLength(4);
    expect(records.all).toHaveLength(6);
    expect(records.rejected).toEqual({ train: {}, test: {} });
  });

  it('hold a building once, also when it is in both files', async () => {
    write('train.csv', [header, ...rows.slice(0, 4), rows[0]].join('\n'));
    write('test.csv', [header, ...rows.slice(2, 6)].join('\n'));
    const records = await readHolderRecords(folder.path, plan);
    expect(records.all).toHaveLength(6);
    expect(records.rejected).toEqual({ train: { duplicate_id: 1 }, test: { duplicate_id: 2 } });
  });

  it('may be none', async () => {
    write('train.csv', `${header}\n`);
    const records = await readHolderRecords(folder.path, plan);
    expect([records.training.y.length, records.all.length]).toEqual([0, 0]);
  });

  it('are refused, naming the file, when it is missing, a folder, or lacks a column', async () => {
    await expect(readHolderRecords(folder.path, plan)).rejects.toThrow(/train.csv cannot be read \(.*ENOENT/);
    write('train.csv', 'building_id\n1\n');
    await expect(readHolderRecords(folder.path, plan)).rejects.toThrow(/train.csv: the file lacks the column/);
    write('train.csv', `${header}\n`);
    mkdirSync(join(folder.path, 'test.csv'));
    await expect(readHolderRecords(folder.path, plan)).rejects.toThrow(/test.csv cannot be read \(.*EISDIR/);
  });

  it('are refused for a plan whose features are not those of its schema', async () => {
    const other = { ...plan, recipe: { ...plan.recipe, binsPerFeature: [2, 2] } };
    await expect(readHolderRecords(folder.path, other)).rejects.toBeInstanceOf(InvalidInputError);
  });
});
