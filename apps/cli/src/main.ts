#!/usr/bin/env node
import { describeError, FedcarbonError } from '@fedcarbon/kernel';
import { HELP, parseStart, parseVerify } from './arguments.ts';
import { verifyFile } from './ledger.ts';

const say = (line: string) => {
  process.stdout.write(`${line}\n`);
};

/** Runs one command and returns the exit code. Commands are loaded when they are used: `ledger verify` needs no broker and no database. */
async function main([command, ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'start': {
      const options = parseStart(rest);
      if (options === 'help') break;
      const { start } = await import('./start.ts');
      await start(options, say);
      return 0;
    }
    case 'stack': {
      const { runStack } = await import('./run-stack.ts');
      await runStack(say);
      return 0;
    }
    case 'provision':
    case 'begin':
    case 'keys': {
      const commands = await import('./provision-command.ts');
      await commands[command](rest, say);
      return 0;
    }
    case 'ledger':
      if (rest[0] === 'verify') return verifyFile(parseVerify(rest.slice(1)), say);
      if (rest[0] === 'export') {
        const { exportLedger } = await import('./export-ledger.ts');
        await exportLedger(rest.slice(1), say);
        return 0;
      }
      return usage(`unknown command "ledger ${rest[0] ?? ''}"`);
    case 'plan': {
      const [file] = rest;
      if (file === undefined) return usage('usage: plan NAME or plan FILE');
      const { describePlan } = await import('./describe-plan.ts');
      for (const line of describePlan(file)) say(line);
      return 0;
    }
    case undefined:
    case 'help':
    case '--help':
      break;
    default:
      return usage(`unknown command "${command}"`);
  }
  process.stdout.write(HELP);
  return 0;
}

function usage(message: string): number {
  process.stderr.write(`${message}; --help lists the commands\n`);
  return 2;
}

// Whoever read the output may be gone, such as the other end of a pipe: what runs is still to be stopped in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  // What we throw on purpose is one sentence that says what to do; anything else is a fault of ours and needs its stack.
  const expected = error instanceof FedcarbonError || (error as { code?: unknown }).code !== undefined;
  process.stderr.write(
    expected || !(error instanceof Error) ? `${describeError(error)}\n` : `${error.stack ?? error.message}\n`,
  );
  process.exit(1);
}
