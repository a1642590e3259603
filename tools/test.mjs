// `npm test [-- unit|int|e2e ...] [jest arguments]`: all tests, or some projects' only; ends with one line of counts.
import { runJest } from './jest-run.mjs';

const KINDS = ['unit', 'int', 'e2e'];
const args = process.argv.slice(2);
const chosen = KINDS.filter((kind) => args.includes(kind));
const { passed, failed, skipped } = await runJest(
  chosen.length > 0 ? chosen : KINDS,
  args.filter((arg) => !KINDS.includes(arg)),
);
if (passed + failed === 0) console.error('No test was executed.');
console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
