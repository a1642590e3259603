import { resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';

export const HELP = `fedcarbon: learning and benchmarks from embodied-carbon data that its owners do not share

Usage
  npm start [-- OPTIONS]                    train a federation on this machine, then serve its benchmarks
  npm run stack                             start just the broker and the database, for development
  npm run fedcarbon -- ledger export FILE   write the round ledger to FILE (JSON lines)
  npm run fedcarbon -- ledger verify FILE --key=PUB
                                            check a ledger offline: exit code 0 sound, 1 tampered, 2 incomplete
  npm run fedcarbon -- plan NAME            check a plan and show what follows from it
  npm run fedcarbon -- provision --plan NAME --database URL --broker URL
                                            keys, configurations and database for services that something else runs
  npm run fedcarbon -- begin --plan NAME --broker URL
                                            open the first round there
  npm run fedcarbon -- keys                 show the API keys of this installation

Options of start
  --plan NAME     plan of federations/NAME.yaml, or a path to a plan      (default ecebd-20)
  --rounds N      number of rounds; the noise is calibrated for it        (default: the plan's)
  --exit          stop when trained instead of serving until Ctrl-C
  --report FILE   write the results as JSON
  --fresh         forget everything earlier runs left, budgets included: for simulations only
  --port N        port of the API                                        (default 8080; 0 takes a free one)
  --help          this text

Environment
  FEDCARBON_DATA_DIR   folder with the published data sets (ecebd/, uci-energy/)
  FEDCARBON_HOME       folder of all state                                (default .fedcarbon/federation)
  DATABASE_URL         a Postgres to use instead of an embedded one (superuser)
  NATS_URL             a nats-server with JetStream to use instead of an embedded one
`;

export interface StartArguments {
  readonly plan: string;
  readonly rounds?: number;
  readonly exit: boolean;
  readonly report?: string;
  readonly fresh: boolean;
  readonly port: number;
}

const START_OPTIONS = {
  plan: { type: 'string', default: 'ecebd-20' },
  rounds: { type: 'string' },
  exit: { type: 'boolean', default: false },
  report: { type: 'string' },
  fresh: { type: 'boolean', default: false },
  port: { type: 'string', default: '8080' },
  help: { type: 'boolean', default: false },
} as const;

/** Options of `start`, or 'help'. Throws InvalidInputError for an unknown option or a value that does not fit. */
export function parseStart(args: readonly string[]): StartArguments | 'help' {
  const { values } = parse({ args: [...args], options: START_OPTIONS, strict: true });
  if (values.help) return 'help';
  const rounds = values.rounds === undefined ? undefined : integer('--rounds', values.rounds, 1, 10_000);
  return {
    plan: values.plan,
    exit: values.exit,
    fresh: values.fresh,
    port: integer('--port', values.port, 0, 65_535),
    ...(rounds === undefined ? {} : { rounds }),
    ...(values.report === undefined ? {} : { report: values.report }),
  };
}

export interface VerifyArguments {
  readonly file: string;
  /** Public key of the ledger's checkpoints: base64url text, or a file that holds it. */
  readonly key: string;
}

/** Arguments of `ledger verify`. */
export function parseVerify(args: readonly string[]): VerifyArguments {
  const { values, positionals } = parse({
    args: [...args],
    options: { key: { type: 'string' } },
    allowPositionals: true,
    strict: true,
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1 || values.key === undefined) {
    throw new InvalidInputError(
      'usage: ledger verify FILE --key=PUB (PUB is the public key of the checkpoints, base64url, or a file with it)',
    );
  }
  return { file, key: values.key };
}

/** A path as it was typed: npm runs commands in the checkout's root and tells in INIT_CWD where it was called. */
export function givenPath(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}

function parse<T extends ParseArgsConfig>(config: T) {
  try {
    return parseArgs(config);
  } catch (cause) {
    throw new InvalidInputError(`${describeError(cause).split('. ')[0] ?? ''}; --help lists the options`, { cause });
  }
}

function integer(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new InvalidInputError(
      `${option} must be a whole number from ${String(least)} to ${String(most)}, found "${text}"`,
    );
  }
  return value;
}
