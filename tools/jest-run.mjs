// Runs jest projects one after the other and counts what they did.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, stateFolder } from './stack/setup-kit.mjs';

/** Jest's projects (jest.config.mjs). A run that hangs is ended after its limit, and counts as failed. */
const PROJECTS = {
  unit: { workers: '100%', limitMinutes: 10 },
  int: { workers: '2', limitMinutes: 10 },
  // End-to-end suites start a whole federation each.
  e2e: { workers: '1', limitMinutes: 20 },
};

/**
 * Runs `projects` with further jest arguments. Returns { passed, failed, skipped }; a suite that could not run, or a run
 * that left no result, counts as one failure.
 */
export async function runJest(projects, args) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  mkdirSync(stateFolder, { recursive: true });
  for (const project of projects) {
    const { workers, limitMinutes } = PROJECTS[project];
    const resultFile = join(stateFolder, `jest-${project}.json`);
    rmSync(resultFile, { force: true });
    const exitCode = await jest(limitMinutes, [
      ...['--selectProjects', project, '--maxWorkers', workers, '--passWithNoTests'],
      ...['--json', '--outputFile', resultFile, ...args],
    ]);
    const result = readResult(resultFile);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    // Jest also fails for what is no test's fault: a set-up, an open handle, its own time limit.
    if (exitCode !== 0 && result.failed === 0) total.failed++;
  }
  return total;
}

function readResult(file) {
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'));
    return {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

function jest(limitMinutes, args) {
  const own = process.platform !== 'win32'; // A process group of its own, so that a hanging run ends with its workers.
  const child = spawn(process.execPath, [join(root, 'node_modules/jest/bin/jest.js'), ...args], {
    cwd: root,
    // Jest's report goes to standard error; the JSON that --json prints too is in the file.
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: own,
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`,
    },
  });
  const end = (signal) => {
    try {
      if (own) process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {
      // It has ended already.
    }
  };
  const forward = () => end('SIGINT');
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward);
  const limit = setTimeout(() => {
    console.error(`The run took longer than ${limitMinutes} minutes and was ended.`);
    end('SIGINT');
    setTimeout(() => end('SIGKILL'), 5_000).unref();
  }, limitMinutes * 60_000);
  return new Promise((done) => {
    child.on('close', (code) => {
      clearTimeout(limit);
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, forward);
      done(code ?? 1);
    });
  });
}
