import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const folder = import.meta.dirname;
const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'));

/** Every module that a source names: import, export from, and import(). */
function importsOf(file: string): { module: string; typeOnly: boolean }[] {
  const source = readFileSync(join(folder, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const statements = source.matchAll(
    /\b(import|export)\b([^;'"]*?)\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g,
  );
  return [...statements].map(([, , clause = '', from, bare]) => ({
    module: from ?? bare ?? '',
    typeOnly: /^\s*type\b/.test(clause),
  }));
}

describe('the verifier', () => {
  it('is seen by this test', () => {
    expect(files).toContain('index.ts');
    expect(files.flatMap(importsOf).length).toBeGreaterThan(20);
  });

  it.each(files)('%s imports its own folder and types of the kernel, nothing else', (file) => {
    const foreign = importsOf(file).filter(
      ({ module, typeOnly }) =>
        !(/^\.\/[a-z-]+\.ts$/.test(module) && files.includes(module.slice(2))) &&
        !(module === '@fedcarbon/kernel' && typeOnly),
    );
    expect(foreign).toEqual([]);
  });
});
