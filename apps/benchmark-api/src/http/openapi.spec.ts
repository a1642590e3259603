import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { openApiDocument } from './openapi.ts';

const file = fileURLToPath(new URL('../../../../docs/openapi.json', import.meta.url));
const document = JSON.parse(JSON.stringify(openApiDocument())) as { paths: Record<string, object> };

/** Every value under a key of this name. */
function all(key: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [...(name === key ? [member] : []), ...all(key, member)]);
}

describe('the OpenAPI document', () => {
  it('is the committed docs/openapi.json; UPDATE_OPENAPI=1 writes it', async () => {
    if (process.env['UPDATE_OPENAPI'] === '1') {
      const { format } = await import('prettier');
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, await format(JSON.stringify(document), { parser: 'json', printWidth: 120 }));
    }
    expect(existsSync(file)).toBe(true);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(document);
  });

  it('refers only to what it holds', () => {
    const references = all('$ref', document) as string[];
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) {
      const path = reference.replace('#/', '').split('/');
      expect([reference, path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document)]).toEqual([
        reference,
        expect.anything(),
      ]);
    }
  });

  it('gives every operation a name of its own, and takes no key in a URL', () => {
    const names = all('operationId', document);
    expect(new Set(names).size).toBe(Object.keys(document.paths).length);
    for (const name of all('name', document)) expect(String(name)).not.toMatch(/key|token/i);
  });
});
