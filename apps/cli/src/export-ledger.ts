import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { FedcarbonError, InvalidInputError } from '@fedcarbon/kernel';
import { ApiClient } from './api-client.ts';
import { givenPath } from './arguments.ts';
import { Credentials } from './credentials.ts';
import { Home } from './home.ts';
import { homeDir } from './start.ts';

/** `ledger export FILE`: writes the ledger of the federation that runs on this machine. */
export async function exportLedger(args: readonly string[], say: (line: string) => void): Promise<void> {
  const [file] = args;
  if (file === undefined || args.length > 1) throw new InvalidInputError('usage: ledger export FILE');
  const path = givenPath(file);
  if (!existsSync(dirname(path))) throw new InvalidInputError(`${dirname(path)} does not exist`);
  const home = Home.existing(homeDir());
  const apiUrl = existsSync(home.runFile)
    ? (JSON.parse(readFileSync(home.runFile, 'utf8')) as { apiUrl?: string }).apiUrl
    : undefined;
  if (apiUrl === undefined) {
    throw new FedcarbonError(
      'not_running',
      'no federation runs here: start it with `npm start`, or ask its API for /v1/ledger/export',
    );
  }
  const credentials = Credentials.open(home);
  const text = await new ApiClient(apiUrl, credentials.apiKey('auditor')).text('/v1/ledger/export');
  writeFileSync(path, text);
  say(`${path}: ${String(text.split('\n').filter((line) => line.includes('"leafHash"')).length)} entries`);
}
