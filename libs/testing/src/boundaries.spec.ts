import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { checkoutRoot } from '@fedcarbon/stack';

/** What must not pass lint: where it stands, what it says, and the words of the refusal. */
const FORBIDDEN: [file: string, source: string, refusal: string][] = [
  ['libs/kernel/src/probe.ts', "export * from '@fedcarbon/messaging';", 'Circular dependency'],
  ['libs/kernel/src/probe.ts', "export * from 'rxjs';", 'not allowed to import "rxjs"'],
  ['libs/privacy/src/probe.ts', "export * from '@fedcarbon/messaging';", '"type:pure" can only depend on'],
  ['libs/privacy/src/probe.ts', "export * from '@fedcarbon/testing';", '"type:pure" can only depend on'],
  ['libs/privacy/src/probe.ts', "export * from '../../stock/src/index.ts';", 'cannot be imported by a relative'],
  ['libs/privacy/src/probe.ts', "export * from '@nestjs/common';", 'not allowed to import "@nestjs/common"'],
  ['libs/privacy/src/probe.ts', "export * from 'node:fs';", "'node:fs' import is restricted"],
  ['libs/privacy/src/probe.ts', "export * from 'fs';", "'fs' import is restricted"],
  ['libs/privacy/src/probe.ts', "export const fs = import('node:fs');", 'pure code takes time'],
  ['libs/privacy/src/probe.ts', 'export const now = Date.now();', "Unexpected use of 'Date'"],
  ['libs/privacy/src/probe.ts', 'export const now = globalThis.Date;', "Unexpected use of 'globalThis'"],
  ['libs/privacy/src/probe.ts', 'export const draw = Math.random();', "'Math.random' is restricted"],
  ['libs/privacy/src/probe.ts', 'export const { random } = Math;', "'Math.random' is restricted"],
  ['libs/privacy/src/probe.ts', 'console.log(1);', "Unexpected use of 'console'"],
  ['libs/contracts/src/probe.ts', "export * from '@fedcarbon/stock';", '"type:contract" can only depend on'],
  ['libs/persistence/src/probe.ts', "export * from '@fedcarbon/messaging';", '"type:adapter" can only depend on'],
  ['libs/service/src/probe.ts', "export * from '@fedcarbon/persistence';", '"type:adapter" can only depend on'],
  ['apps/cli/src/probe.ts', "export * from '@fedcarbon/benchmark-api';", '"type:app" can only depend on'],
  ['apps/cli/src/probe.ts', "export * from '@fedcarbon/testing';", '"type:app" can only depend on'],
];

/** Allowed for comparison, so that the rules are seen to tell the difference. */
const ALLOWED: [file: string, source: string][] = [
  ['libs/privacy/src/probe.ts', "export type { Clock } from '@fedcarbon/kernel';"],
  ['libs/privacy/src/probe.spec.ts', "export * from 'node:fs';\nexport const now = Date.now();"],
];

/** Lints texts as if they were files of the repository, in a process of its own: jest's module loader is not node's. */
function lint(probes: readonly (readonly [string, string, ...string[]])[]) {
  const program = `
    import { ESLint } from 'eslint';
    const eslint = new ESLint();
    const probes = ${JSON.stringify(probes)};
    const messages = [];
    for (const [filePath, text] of probes) messages.push((await eslint.lintText(text, { filePath })).flatMap((r) => r.messages.map((m) => m.message)));
    const config = await eslint.calculateConfigForFile('libs/privacy/src/index.ts');
    const { depConstraints } = config.rules['@nx/enforce-module-boundaries'][1];
    process.stdout.write(JSON.stringify({ messages, depConstraints }));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: checkoutRoot,
    encoding: 'utf8',
    timeout: 100_000,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (run.status !== 0) throw new Error(`lint did not run: ${run.stderr}`);
  return JSON.parse(run.stdout) as {
    messages: string[][];
    depConstraints: { sourceTag: string; onlyDependOnLibsWithTags: string[] }[];
  };
}

describe('lint', () => {
  it('refuses what the architecture forbids, and lets no constraint match everything', () => {
    const { messages, depConstraints } = lint([...FORBIDDEN, ...ALLOWED]);
    FORBIDDEN.forEach(([file, source, refusal], index) => {
      expect({ file, source, messages: messages[index] }).toEqual({
        file,
        source,
        messages: expect.arrayContaining([expect.stringContaining(refusal)]) as unknown,
      });
    });
    expect(messages.slice(FORBIDDEN.length)).toEqual(ALLOWED.map(() => []));
    expect(depConstraints.map(({ sourceTag }) => sourceTag)).not.toContain('*');
    expect(depConstraints.flatMap((constraint) => constraint.onlyDependOnLibsWithTags)).not.toContain('*');
    expect(depConstraints.length).toBeGreaterThanOrEqual(6);
  }, 120_000);
});
