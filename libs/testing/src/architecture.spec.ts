import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { checkoutRoot } from '@fedcarbon/stack';
import ts from 'typescript';

interface Manifest {
  readonly name: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly nx?: { readonly tags?: readonly string[] };
}

const TYPES = ['type:kernel', 'type:pure', 'type:contract', 'type:adapter', 'type:testing', 'type:app'];

/** npm packages that each kind may depend on, where that is limited. A new one is a decision, not a convenience. */
const MAY_USE: Record<string, readonly string[]> = { 'type:kernel': [], 'type:pure': [], 'type:contract': ['zod'] };

const read = (path: string) => readFileSync(join(checkoutRoot, path), 'utf8');
const manifestOf = (folder: string) => JSON.parse(read(join(folder, 'package.json'))) as Manifest;
const folders = ['apps', 'libs']
  .flatMap((group) => readdirSync(join(checkoutRoot, group)).map((name) => `${group}/${name}`))
  .filter((folder) => existsSync(join(checkoutRoot, folder, 'package.json')));
const typesOf = (folder: string) => (manifestOf(folder).nx?.tags ?? []).filter((tag) => tag.startsWith('type:'));

/** Sources that are built, and those that only tests run. */
function sources(folder: string, specs: boolean): string[] {
  const files = readdirSync(join(checkoutRoot, folder, 'src'), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => /\.ts$/.test(file) && !file.startsWith('generated') && /\.spec\.ts$/.test(file) === specs)
    .map((file) => join(folder, 'src', file));
}

/** Packages, by name, that a source imports: statically, dynamically, or for types only. */
function importedPackages(file: string): string[] {
  return ts
    .preProcessFile(read(file))
    .importedFiles.map((reference) => reference.fileName)
    .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
    .map((specifier) =>
      specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/'),
    )
    .filter((name) => !builtinModules.includes(name));
}

describe.each(folders)('%s', (folder) => {
  const manifest = manifestOf(folder);

  it('is of exactly one known type', () => {
    expect(typesOf(folder)).toHaveLength(1);
    expect(TYPES).toContain(typesOf(folder)[0]);
  });

  it('is named after its folder', () => {
    expect(manifest.name).toBe(`@fedcarbon/${folder.split('/')[1]}`);
  });

  it('keeps to the npm packages of its type', () => {
    const allowed = MAY_USE[typesOf(folder)[0] ?? ''];
    if (allowed === undefined) return;
    const npm = Object.keys(manifest.dependencies ?? {}).filter((name) => !name.startsWith('@fedcarbon/'));
    expect(npm.filter((name) => !allowed.includes(name))).toEqual([]);
  });

  it('asks for the exact versions that the root installs', () => {
    const root = manifestOf('.');
    const installed = { ...root.devDependencies, ...root.optionalDependencies };
    const expected = (name: string) => (name.startsWith('@fedcarbon/') ? '0.0.0' : installed[name]);
    const asked = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(asked).toEqual(Object.fromEntries(Object.keys(asked).map((name) => [name, expected(name)])));
  });

  it('declares what it imports', () => {
    // Type packages come with the root; a built package needs nothing but its `dependencies`, tests may use the others too.
    const own = Object.keys(manifest.dependencies ?? {});
    const dev = [...Object.keys(manifest.devDependencies ?? {}), '@jest/globals', 'fast-check'];
    const ignored = typesOf(folder)[0] === 'type:testing' ? [...own, ...dev] : own;
    const undeclared = (specs: boolean, declared: string[]) =>
      sources(folder, specs).flatMap((file) =>
        importedPackages(file)
          .filter((name) => name !== manifest.name && !declared.includes(name))
          .map((name) => `${file} imports ${name}`),
      );
    expect(undeclared(false, ignored)).toEqual([]);
    expect(undeclared(true, [...own, ...dev])).toEqual([]);
  });

  it('has the lockfile know its dependencies', () => {
    // `npm ci` refuses to install otherwise; cured by `npm install --package-lock-only --ignore-scripts`.
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Manifest> };
    expect(lock.packages[folder]?.dependencies ?? {}).toEqual(manifest.dependencies ?? {});
    expect(lock.packages[folder]?.devDependencies ?? {}).toEqual(manifest.devDependencies ?? {});
  });
});
