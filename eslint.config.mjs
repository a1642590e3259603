import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import n from 'eslint-plugin-n';
import tseslint from 'typescript-eslint';

// Without a cached graph the boundary rule skips every file and still exits 0.
await createProjectGraphAsync();

const root = import.meta.dirname;

/** Sources of every project with one of the type tags, read from the projects' package.json. */
const sourcesOf = (...types) =>
  ['apps', 'libs']
    .flatMap((group) => readdirSync(join(root, group)).map((name) => `${group}/${name}`))
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .filter((folder) =>
      JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).nx?.tags?.some((tag) => types.includes(tag)),
    )
    .map((folder) => `${folder}/src/**/*.ts`);
const PURE = sourcesOf('type:kernel', 'type:pure', 'type:contract');
const SHELLS = sourcesOf('type:adapter', 'type:app', 'type:testing');
const SPECS = ['**/*.spec.ts'];

const SHELL_PACKAGES = ['@nestjs/*', '@nats-io/*', 'nats', '@prisma/*', 'pg', 'rxjs', 'reflect-metadata', 'pino'];
const because = 'pure code takes time, randomness and I/O as arguments (kernel ports Clock and RandomSource)';

/** Which tag may import which, and which npm packages it may not. Specs may also use the testing lib and any npm package. */
function boundaries(inSpecs) {
  const rule = (tag, may, ban = []) => ({
    sourceTag: `type:${tag}`,
    onlyDependOnLibsWithTags: [...may, ...(inSpecs ? ['testing'] : [])].map((name) => `type:${name}`),
    ...(inSpecs || ban.length === 0 ? {} : { bannedExternalImports: ban }),
  });
  return [
    'error',
    {
      banTransitiveDependencies: true,
      depConstraints: [
        rule('kernel', ['kernel'], ['*']),
        rule('pure', ['kernel', 'pure', 'contract'], SHELL_PACKAGES),
        rule('contract', ['kernel'], SHELL_PACKAGES),
        rule('adapter', ['kernel', 'pure', 'contract']),
        // Real servers for tests are started by the stack adapter; nothing but specs may import testing.
        rule('testing', ['kernel', 'adapter']),
        rule('app', ['kernel', 'pure', 'contract', 'adapter']),
      ],
    },
  ];
}

export default tseslint.config(
  { ignores: ['**/dist/**', '**/.tsc/**', '.nx/**', '.fedcarbon/**', 'coverage/**', '**/src/generated/**'] },
  ...tseslint.configs.strict,
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx, n },
    rules: {
      '@nx/enforce-module-boundaries': boundaries(false),
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'max-lines': ['error', { max: 400, skipBlankLines: false, skipComments: false }],
      eqeqeq: 'error',
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    rules: { 'n/no-extraneous-import': ['error', { allowModules: [] }] },
  },
  {
    files: SHELLS,
    languageOptions: { parserOptions: { experimentalDecorators: true, emitDecoratorMetadata: true } },
    rules: { '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }] },
  },
  {
    files: PURE,
    ignores: SPECS,
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: `^(node:.*|${builtinModules.join('|')})(/|$)`, message: because }] },
      ],
      'no-restricted-globals': [
        'error',
        ...[
          'process',
          'globalThis',
          'Date',
          'Buffer',
          'console',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'queueMicrotask',
          'fetch',
          'crypto',
          'performance',
        ].map((name) => ({ name, message: because })),
      ],
      'no-restricted-syntax': ['error', { selector: 'ImportExpression', message: because }],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: because }],
    },
  },
  {
    files: SPECS,
    rules: {
      '@nx/enforce-module-boundaries': boundaries(true),
      'n/no-extraneous-import': ['error', { allowModules: ['@jest/globals', 'fast-check'] }],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  { files: ['tools/**/*.mjs', '*.mjs'], rules: { '@typescript-eslint/no-unused-vars': 'error' } },
  prettier,
);
