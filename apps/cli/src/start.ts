import { chmodSync, closeSync, existsSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FederationAnswer, type FederationPlan, ModelAnswer, ModelsAnswer, RoundsAnswer } from '@fedcarbon/contracts';
import { describeError, FedcarbonError, InvalidInputError } from '@fedcarbon/kernel';
import { assertPortFree, checkoutRoot, freePort, postgresDataDir } from '@fedcarbon/stack';
import { ApiClient } from './api-client.ts';
import { givenPath, type StartArguments } from './arguments.ts';
import { Credentials } from './credentials.ts';
import { Home } from './home.ts';
import { verifyInOwnProcess } from './ledger.ts';
import { loweredBudgets, readBudgets } from './lowered-budgets.ts';
import { Progress, resultLines } from './presentation.ts';
import {
  brokerUsers,
  DEVELOPMENT_ROLES,
  prepareDatabase,
  type ServiceProcess,
  writeConfigs,
  writePlan,
} from './provision.ts';
import { collectResults, type Report } from './report.ts';
import { requestStart } from './request-start.ts';
import { RunMark } from './running.ts';
import { Evaluation, readPlanFile, simulate, type Simulation } from './simulation.ts';
import { assertComplete, refuseFreshOnGiven, startStack } from './stack.ts';
import { stopRequested } from './stop-signal.ts';
import { Supervisor } from './supervisor.ts';

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 100;
/** The services train on the same cores, so looking at them costs rounds. */
const WATCH_MS = 400;
/** Far below V8's defaults: every service works on small messages, and nine of them share a machine here. */
const SERVICE_MEMORY = ['--max-old-space-size=128', '--max-semi-space-size=4'];

/** Folder of all state: FEDCARBON_HOME, else `.fedcarbon/federation` in the checkout. */
export function homeDir(): string {
  return givenPath(process.env['FEDCARBON_HOME'] ?? join(checkoutRoot, '.fedcarbon', 'federation'));
}

/** `start`: trains a federation on this machine and serves its benchmarks until it is stopped. */
export async function start(options: StartArguments, say: (line: string) => void): Promise<void> {
  const startedAtMs = Date.now();
  const file = readPlanFile(options.plan, checkoutRoot, options.rounds === undefined ? {} : { rounds: options.rounds });
  const reportFile = options.report === undefined ? undefined : givenPath(options.report);
  if (reportFile !== undefined) assertWritable(reportFile);
  if (options.fresh) refuseFreshOnGiven();
  const simulation = await simulate(file, {
    checkoutDir: checkoutRoot,
    cacheDir: join(checkoutRoot, '.fedcarbon', 'cache'),
    note: say,
  });
  say(`${file.name}: ${file.description}`);
  say(`data: ${simulation.stock.provenance}`);
  for (const [reason, count] of Object.entries(simulation.stock.rejected))
    say(`  rejected ${String(count)} rows: ${reason}`);

  const home = new Home(homeDir());
  const mark = new RunMark(home);
  await mark.take(say);
  try {
    // Only now: what a killed run left behind may have held the port.
    if (options.port !== 0) await assertPortFree(options.port, 'the API');
  } catch (error) {
    mark.release();
    throw error;
  }
  const progress = new Progress(process.stdout.isTTY, say);
  const stopped = stopRequested((line) => {
    progress.note(line);
  });
  if (options.fresh) clear(home);
  const supervisor = new Supervisor({
    logsDir: home.logsDir,
    say: (line) => {
      progress.note(line);
    },
    onChange: () => {
      mark.write(supervisor.processes());
    },
  });
  try {
    await Promise.race([
      run({ options, startedAtMs, simulation, home, supervisor, progress, mark, say, reportFile }, stopped),
      supervisor.failed,
      stopped,
    ]);
  } finally {
    progress.stop();
    await supervisor.stop();
    mark.release();
  }
}

interface Run {
  readonly options: StartArguments;
  readonly startedAtMs: number;
  readonly simulation: Simulation;
  readonly home: Home;
  readonly supervisor: Supervisor;
  readonly progress: Progress;
  readonly mark: RunMark;
  readonly say: (line: string) => void;
  readonly reportFile: string | undefined;
}

async function run(context: Run, stopped: Promise<void>): Promise<void> {
  const { options, startedAtMs, simulation, home, supervisor, progress, mark, say, reportFile } = context;
  assertComplete(home);
  const credentials = Credentials.open(home);
  const written = writePlan(simulation, credentials, home);
  const { plan, hash } = written;
  const stack = await startStack(home, credentials, supervisor, brokerUsers(plan, credentials));
  await prepareDatabase(stack.ownerUrl, credentials);
  const lowered = loweredBudgets(plan, await readBudgets(stack.ownerUrl));
  if (lowered !== undefined) say(lowered);
  const nextPort = distinctPorts(options.port);
  const apiPort = options.port === 0 ? await nextPort() : options.port;
  const apiUrl = `http://127.0.0.1:${String(apiPort)}`;
  const services = await writeConfigs(
    written,
    { ...stack, listenHost: '127.0.0.1', apiPort, nextPort },
    credentials,
    home,
  );
  for (const service of services) await keepService(service, supervisor);
  await Promise.all(services.map(ready));
  mark.write(supervisor.processes(), apiUrl);
  say(`${String(services.length)} service processes are up after ${seconds(Date.now() - startedAtMs)}`);

  await requestStart(stack.brokerUrl, hash, credentials);
  const api = new ApiClient(apiUrl, credentials.apiKey('operator'));
  const evaluation = new Evaluation(simulation);
  await watchTraining({ api, plan, evaluation, progress, say });
  const results = await collectResults(api, plan, hash, simulation, evaluation);
  const { verified, findings } = await verifyExport(api, plan, home);
  const report: Report = {
    ...results.report,
    ledger: { ...results.report.ledger, verified },
    wallSeconds: Math.round((Date.now() - startedAtMs) / 100) / 10,
  };
  for (const line of resultLines(report, results.benchmarks)) say(line);
  if (reportFile !== undefined) writeFileSync(reportFile, `${JSON.stringify(report, null, 2)}\n`);
  if (!verified) throw new FedcarbonError('ledger_not_verified', `the ledger did not verify: ${findings}`);
  if (options.exit) return;
  serving(apiUrl, credentials, say);
  await stopped;
}

/** Free ports, none twice: a port stays free until its service listens, and the system may offer it again until then. */
function distinctPorts(reserved: number): () => Promise<number> {
  const given = new Set([reserved]);
  return async () => {
    let port = await freePort();
    while (given.has(port)) port = await freePort();
    given.add(port);
    return port;
  };
}

async function keepService(service: ServiceProcess, supervisor: Supervisor): Promise<void> {
  const fromSource = import.meta.filename.endsWith('.ts');
  await supervisor.keep({
    name: service.name,
    kind: 'script',
    script: join(checkoutRoot, 'apps', service.app, fromSource ? 'src/main.ts' : 'dist/main.js'),
    args: ['--config', service.configFile],
    execArgs: [...process.execArgv, ...SERVICE_MEMORY],
  });
}

/** Waits until a service says that it is ready. Throws FedcarbonError with its own reason when it does not. */
async function ready({ name, port }: ServiceProcess): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let reason = 'it did not answer';
  while (Date.now() < deadline) {
    try {
      const response = await fetch(`http://127.0.0.1:${String(port)}/readyz`, { signal: AbortSignal.timeout(2000) });
      if (response.ok) return;
      reason = await response.text();
    } catch {
      // Not listening yet.
    }
    await pause(POLL_MS);
  }
  throw new FedcarbonError(
    'not_ready',
    `${name} is not ready after ${seconds(READY_TIMEOUT_MS)}: ${reason}; see its log`,
  );
}

/** Follows the rounds until the federation is over. */
async function watchTraining({
  api,
  plan,
  evaluation,
  progress,
  say,
}: {
  readonly api: ApiClient;
  readonly plan: FederationPlan;
  readonly evaluation: Evaluation;
  readonly progress: Progress;
  readonly say: (line: string) => void;
}): Promise<void> {
  const members = plan.regions.reduce((sum, region) => sum + region.members.length, 0);
  say('R2 is that of held-out records of all holders together: it exists only because this is a simulation');
  progress.start(plan.recipe.rounds + 1);
  let shown = 0;
  try {
    for (;;) {
      // Asked before the rounds: of a completed federation the rounds that follow are all there are.
      const { status } = await api.until('/v1/federation', FederationAnswer, () => true, READY_TIMEOUT_MS);
      const { rounds, provenance } = await api.until('/v1/rounds', RoundsAnswer, () => true, READY_TIMEOUT_MS);
      const closed = rounds.filter(({ outcome }) => outcome !== 'open').sort((a, b) => a.index - b.index);
      for (const round of closed.slice(shown)) {
        const { models } = await api.get('/v1/models', ModelsAnswer);
        const published = models.find(({ roundId }) => roundId === round.roundId);
        const accuracy =
          published === undefined
            ? undefined
            : evaluation.score(plan, await api.get(`/v1/models/${String(published.version)}`, ModelAnswer));
        progress.closed({
          round,
          members,
          // What was spent when this round closed, where a model tells; later rounds may be under way by now.
          epsilon: published?.epsilon ?? provenance.epsilon,
          epsilonBudget: provenance.epsilonBudget,
          ...(accuracy === undefined ? {} : { accuracy }),
        });
      }
      shown = closed.length;
      if (status === 'completed') return;
      await pause(WATCH_MS);
    }
  } finally {
    progress.stop();
  }
}

/** Exports the ledger through the API and has it checked by a process that shares no code with the writer. */
async function verifyExport(
  api: ApiClient,
  plan: FederationPlan,
  home: Home,
): Promise<{ readonly verified: boolean; readonly findings: string }> {
  const exportFile = join(home.logsDir, `${plan.name}.ledger.jsonl`);
  writeFileSync(exportFile, await api.text('/v1/ledger/export'));
  const { code, output } = await verifyInOwnProcess(exportFile, plan.keys.checkpoint);
  return { verified: code === 0, findings: output.trimEnd() };
}

function serving(apiUrl: string, credentials: Credentials, say: (line: string) => void): void {
  say('');
  say(`API            ${apiUrl}  (readable pages at ${apiUrl}/docs, OpenAPI at ${apiUrl}/openapi.json)`);
  for (const role of DEVELOPMENT_ROLES) say(`  ${role.padEnd(9)} key ${credentials.apiKey(role)}`);
  say(
    `try            curl -H "Authorization: Bearer ${credentials.apiKey('analyst')}" "${apiUrl}/v1/benchmarks?use=residential"`,
  );
  say('serving until Ctrl-C');
}

/** Throws InvalidInputError, one sentence, when `file` cannot be written: better now than after the training. */
function assertWritable(file: string): void {
  if (!existsSync(dirname(file))) throw new InvalidInputError(`--report ${file}: the folder does not exist`);
  const isNew = !existsSync(file);
  try {
    closeSync(openSync(file, 'a'));
  } catch (cause) {
    throw new InvalidInputError(`--report ${file}: the file cannot be written: ${describeError(cause)}`, { cause });
  }
  if (isNew) rmSync(file);
}

/** Removes all state of earlier runs but the mark of this one. */
function clear(home: Home): void {
  rmSync(postgresDataDir(home.postgresDir), { recursive: true, force: true });
  for (const name of readdirSync(home.root)) {
    const path = join(home.root, name);
    if (path !== home.runFile) rmSync(path, { recursive: true, force: true });
  }
  // As `Home` makes it; one of an earlier version may be closed.
  chmodSync(home.root, 0o711);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
