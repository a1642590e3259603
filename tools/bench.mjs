// `npm run bench [-- rounds|two-servers|local|accountant|masking ...]`: speed of what a federation waits for, as a table, on this machine, at this moment. Real processes, a real
// broker and a real database that flush to disk. Figures depend on what else the machine does; compare runs made one after the other.
import { startPostgres, resolveStack } from '@fedcarbon/stack';
import { migrate } from '@fedcarbon/persistence';
import { secureSumCrypto } from '@fedcarbon/service';
import autocannon from 'autocannon';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const checkout = join(import.meta.dirname, '..');
const PARTS = {
  rounds: () => benchFederation('ecebd-20', '<= 500 ms', true),
  'two-servers': () => benchFederation('ecebd-20-two-servers', '<= 500 ms', false),
  local: () => benchFederation('ecebd-20-local', '<= 400 ms', false),
  accountant: benchReservations,
  masking: benchSecureSum,
};
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`there is no benchmark "${unknown[0]}"; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}

console.log(
  `${cpus().length} cores (${cpus()[0].model}), Node ${process.versions.node}, load ${loadavg()[0].toFixed(1)} before the start\n`,
);
console.log(['what'.padEnd(52), 'measured'.padStart(14), 'wanted'.padStart(14)].join(''));
for (const [name, measure] of Object.entries(PARTS)) {
  if (chosen.length === 0 || chosen.includes(name)) await measure();
}

function row(what, measured, wanted = '') {
  console.log([what.padEnd(52), measured.padStart(14), wanted.padStart(14)].join(''));
}

/** A whole federation by `npm start`'s own command: rounds and traffic; if `everything`, also memory, and the API under load. */
async function benchFederation(plan, wanted, everything) {
  const home = mkdtempSync(join(tmpdir(), 'fedcarbon-bench-'));
  const reportFile = join(home, 'report.json');
  const args = ['apps/cli/dist/main.js', 'start', '--plan', plan, '--port', '0', '--report', reportFile];
  const child = spawn(process.execPath, args, {
    cwd: checkout,
    env: { ...process.env, FEDCARBON_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const exited = new Promise((done) => child.once('exit', done));
  try {
    while (!output.includes('serving until Ctrl-C')) {
      if (child.exitCode !== null) throw new Error(`the federation did not run:\n${output}`);
      await pause(100);
    }
    const report = JSON.parse(readFileSync(reportFile, 'utf8'));
    const { clients, rounds, roundMillis, bytes, wallSeconds, mechanism } = report;
    const ran = mechanism.reduce((sum, { times }) => sum + times, 0);
    row(`${plan}: a round with ${clients} clients and training`, `${roundMillis.median} ms`, wanted);
    row('  95th percentile', `${roundMillis.p95} ms`);
    row(`  bytes up, per client and round`, `${Math.round(bytes.up / clients / ran)} B`);
    row(`  bytes down, per client and round`, `${Math.round(bytes.down / clients / ran)} B`);
    row(`  ${rounds} rounds and benchmarks, command to results`, `${wallSeconds} s`, '<= 45 s');
    if (!everything) return;
    const run = JSON.parse(readFileSync(join(home, 'run.json'), 'utf8'));
    const api = output.match(/^API +(\S+)/m)[1];
    const key = output.match(/analyst +key (\S+)/)[1];
    const load = await autocannon({
      url: `${api}/v1/benchmarks?use=residential`,
      connections: 10,
      duration: 5,
      headers: { authorization: `Bearer ${key}` },
    });
    if (load.non2xx > 0) throw new Error(`${load.non2xx} answers were refused`);
    row('GET /v1/benchmarks, 10 connections', `${Math.round(load.requests.average)}/s`, '>= 2000/s');
    row('  99th percentile', `${load.latency.p99} ms`, '<= 25 ms');
    for (const { name, pid } of run.processes) {
      if (name === 'postgres' || name === 'nats-server') continue;
      const rssKb = Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }));
      row(`resident memory of ${name}`, `${Math.round(rssKb / 1024)} MB`, '<= 200 MB');
    }
  } finally {
    child.kill('SIGINT');
    await exited;
    rmSync(home, { recursive: true, force: true });
  }
}

/** The accountant's transactions on a database of its own. What measures them is no part of the build and runs from its source. */
async function benchReservations() {
  await import('./ts.mjs');
  const { benchAccountant } = await import('../apps/privacy-accountant/src/accountant-bench.support.ts');
  const folder = mkdtempSync(join(tmpdir(), 'fedcarbon-bench-'));
  const { postgresBin } = resolveStack();
  const postgres = await startPostgres({ postgresBin, dataDir: join(folder, 'postgres') });
  try {
    await migrate(postgres.url);
    const { pairsPerSecond } = await benchAccountant(postgres.url, { clients: 20, pairsPerClient: 100, poolSize: 16 });
    row('reserve + commit over 20 clients', `${Math.round(pairsPerSecond)}/s`, '>= 300/s');
  } finally {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The secure sum with all of its clients in one thread, with the services' cryptography and without a broker: one set-up and 25 rounds. With 500 clients,
 * rounds that have not begun three minutes after the set-up are extrapolated.
 */
async function benchSecureSum() {
  await import('./ts.mjs');
  const { benchMasking } = await import('../libs/secure-sum/src/masking-bench.support.ts');
  for (const clients of [20, 50, 100, 200, 500]) {
    const mostSeconds = clients > 200 ? 180 : Infinity;
    const figures = benchMasking(clients, secureSumCrypto, mostSeconds);
    const { setup, round, roundsRun } = figures;
    const { degree = clients - 1 } = figures.graph;
    row(`${clients} clients with ${degree} neighbours: masks of one`, `${round.masks}`);
    row('  shares', `${round.shares}`);
    row('  signatures verified', `${round.signatures}`);
    row('  bytes up, with a 25th of the set-up', `${Math.round(round.bytesUp + setup.bytesUp / 25)} B`);
    row('  bytes down', `${Math.round(round.bytesDown + setup.bytesDown / 25)} B`);
    row('  CPU per client and round', `${round.clientMs.toFixed(1)} ms`, clients === 50 ? '<= 10 ms' : '');
    row('  CPU of the coordinator, per round', `${Math.round(round.coordinatorMs)} ms`);
    row('  CPU per client in the set-up', `${Math.round(setup.clientMs)} ms`);
    row('  set-up and 25 rounds, CPU of all', `${figures.cpuSeconds.toFixed(1)} s`);
    const ran = roundsRun === 25 ? 'all run' : `${roundsRun} run, the others extrapolated`;
    row(`  by the clock (${ran})`, `${figures.wallSeconds.toFixed(1)} s`, clients === 200 ? '<= 60 s' : '');
  }
}
