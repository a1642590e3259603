// `npm run check`: what must hold before a change is proposed. Every step runs, so that one run shows all there is to mend.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setUp } from './setup.mjs';
import { root } from './stack/setup-kit.mjs';

const tool = (path, ...args) => [join(root, 'node_modules', path), ...args];
const STEPS = [
  ['format', tool('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.')],
  ['lint', tool('eslint/bin/eslint.js', '.', '--max-warnings', '0')],
  ['typecheck', tool('typescript/lib/tsc.js', '-b')],
  ['unit tests', [join(root, 'tools/test.mjs'), 'unit']],
];

/** Contents of every file that differs from the last commit. */
const changes = () => execFileSync('git', ['diff', 'HEAD'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });

const failed = [];
function step(name, succeeds) {
  const started = Date.now();
  const ok = succeeds();
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name}  ${((Date.now() - started) / 1000).toFixed(1)} s`);
  if (!ok) failed.push(name);
}

try {
  await setUp();
} catch (error) {
  // A build that fails is reported by the type check below.
  console.error(error.expected ? error.message : error);
}
const node = (args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0;
step('generated files unchanged', () => {
  const before = changes();
  return node([join(root, 'tools/generate.mjs')]) && changes() === before;
});
for (const [name, args] of STEPS) step(name, () => node(args));

if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
