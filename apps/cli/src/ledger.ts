import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBase64Url, InvalidInputError } from '@fedcarbon/kernel';
import { verifyLedger } from '@fedcarbon/ledger/verify';
import { sha256, verifySignature } from '@fedcarbon/service';
import { givenPath, type VerifyArguments } from './arguments.ts';

/** Exit codes of `ledger verify`. */
const EXIT_CODES = { sound: 0, tampered: 1, incomplete: 2 } as const;
/** More findings than this say nothing new. */
const SHOWN_FINDINGS = 20;

/** `ledger verify`: reads an export, says what it found, returns the exit code. Needs no database and no network. */
export function verifyFile({ file, key }: VerifyArguments, say: (line: string) => void): number {
  let text: string;
  try {
    text = readFileSync(givenPath(file), 'utf8');
  } catch (cause) {
    throw new InvalidInputError(`${file} cannot be read`, { cause });
  }
  const checkpoint = publicKey(key);
  const result = verifyLedger(text.split('\n'), { publicKeys: { checkpoint }, sha256, verifySignature });
  say(`${result.verdict}: ${String(result.size)} entries, root ${result.root}`);
  for (const { seq, what } of result.findings.slice(0, SHOWN_FINDINGS)) {
    say(`  ${seq === undefined ? '' : `entry ${String(seq)}: `}${what}`);
  }
  const more = result.findings.length - SHOWN_FINDINGS;
  if (more > 0) say(`  and ${String(more)} more`);
  for (const { holder, dataset, epsilon, delta, budget } of result.clients) {
    say(`  ${holder} / ${dataset}: epsilon ${epsilon.toFixed(4)} of ${String(budget)} at delta ${String(delta)}`);
  }
  for (const { version, modelDigest } of result.models.slice(-1))
    say(`  model version ${String(version)}: ${modelDigest}`);
  return EXIT_CODES[result.verdict];
}

function publicKey(given: string): Uint8Array {
  const file = givenPath(given);
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : given;
  let bytes = new Uint8Array();
  try {
    bytes = fromBase64Url(text) as Uint8Array<ArrayBuffer>;
  } catch {
    // Said below, with what was expected.
  }
  if (bytes.length !== 32) {
    throw new InvalidInputError(
      '--key must be the Ed25519 public key of the checkpoints: 43 characters of base64url, or a file that holds them',
    );
  }
  return bytes;
}

/** Runs `ledger verify` as a process of its own, as an auditor would. Returns its exit code and what it printed. */
export function verifyInOwnProcess(file: string, key: string): Promise<{ code: number; output: string }> {
  const script = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js');
  return new Promise((done, fail) => {
    // A key may begin with a minus sign.
    const child = spawn(process.execPath, [...process.execArgv, script, 'ledger', 'verify', file, `--key=${key}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', fail);
    child.once('close', (code) => {
      done({ code: code ?? 1, output });
    });
  });
}
