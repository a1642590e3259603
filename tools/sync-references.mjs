// Writes the `references` of every tsconfig from the workspace packages' own package.json, so that the dependency list
// is stated once. `--check` changes nothing and fails when a file is out of date.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import prettier from 'prettier';

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const options = { ...json(join(root, '.prettierrc.json')), parser: 'json' };

const folders = ['apps', 'libs'].flatMap((group) =>
  readdirSync(join(root, group))
    .map((name) => `${group}/${name}`)
    .filter(
      (folder) => existsSync(join(root, folder, 'package.json')) && existsSync(join(root, folder, 'tsconfig.json')),
    ),
);
const packages = folders.map((folder) => ({ folder, manifest: json(join(root, folder, 'package.json')) }));
const folderOf = new Map(packages.map(({ folder, manifest }) => [manifest.name, folder]));
const stale = [];

async function write(file, config) {
  const path = join(root, file);
  const text = await prettier.format(JSON.stringify(config), options);
  // Compared as data: how a tsconfig is laid out is prettier's business, not this tool's.
  if (existsSync(path) && JSON.stringify(json(path)) === JSON.stringify(config)) return;
  stale.push(file);
  if (!check) writeFileSync(path, text);
}

function references(folder, dependencies = {}) {
  return Object.keys(dependencies)
    .filter((name) => folderOf.has(name))
    .sort()
    .map((name) => ({ path: relative(folder, folderOf.get(name)) }));
}

for (const { folder, manifest } of packages) {
  const main = `${folder}/tsconfig.json`;
  await write(main, { ...json(join(root, main)), references: references(folder, manifest.dependencies) });
  const spec = `${folder}/tsconfig.spec.json`;
  if (!existsSync(join(root, spec))) continue;
  const all = references(folder, { ...manifest.dependencies, ...manifest.devDependencies });
  await write(spec, { ...json(join(root, spec)), references: [{ path: './tsconfig.json' }, ...all] });
}
await write('tsconfig.json', {
  files: [],
  references: folders.flatMap((folder) =>
    ['tsconfig.json', 'tsconfig.spec.json']
      .filter((name) => existsSync(join(root, folder, name)))
      .map((name) => ({ path: `./${folder}/${name}` })),
  ),
});

if (stale.length > 0) {
  console.log(`${check ? 'Out of date' : 'Written'}: ${stale.join(', ')}`);
  if (check) {
    console.error('References do not match package.json: run `node tools/sync-references.mjs` and commit the result.');
    process.exit(1);
  }
}
