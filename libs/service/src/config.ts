import { FedcarbonError, InvalidInputError, describeError } from '@fedcarbon/kernel';
import { parseStrict } from '@fedcarbon/contracts';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { z } from 'zod';

/** The configuration, or a file that it names, cannot be used. A restart cannot help: exit code 2. */
export class ConfigurationError extends FedcarbonError {
  readonly exitCode = 2;

  constructor(message: string, options?: { cause?: unknown }) {
    super('configuration', message, options);
  }
}

/**
 * Reads the JSON configuration named by `--config FILE` or FEDCARBON_CONFIG and checks it against a strict schema. Members whose names end in `File` or
 * `Dir` are paths: relative ones start at the configuration's own folder. Throws ConfigurationError listing every problem, never a value of the file.
 */
export function loadConfig<T>(
  schema: z.ZodType<T>,
  argv: readonly string[] = process.argv.slice(2),
  env: Readonly<Record<string, string | undefined>> = process.env,
): T {
  const file = configFile(argv, env);
  try {
    return withResolvedPaths(parseStrict(schema, readJson(file), file), dirname(file));
  } catch (error) {
    if (error instanceof InvalidInputError) throw new ConfigurationError(error.message);
    throw error;
  }
}

function configFile(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): string {
  let option: string | undefined;
  try {
    option = parseArgs({ args: [...argv], options: { config: { type: 'string' } } }).values.config;
  } catch (cause) {
    throw new ConfigurationError(`${describeError(cause)}; the only option is --config FILE`, { cause });
  }
  const file = option ?? env['FEDCARBON_CONFIG'];
  if (file === undefined || file === '') {
    throw new ConfigurationError('no configuration: pass --config FILE or set FEDCARBON_CONFIG');
  }
  return resolve(file);
}

/** Text of a file that the configuration names. Throws ConfigurationError. */
export function readConfiguredFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const reason = code === 'ENOENT' ? 'there is no such file' : describeError(cause);
    throw new ConfigurationError(`cannot read ${file}: ${reason}`, { cause });
  }
}

/** A JSON file. Throws ConfigurationError without quoting the file: the parser's own message would, secrets included. */
export function readJson(file: string): unknown {
  const text = readConfiguredFile(file);
  try {
    return JSON.parse(text);
  } catch {
    throw new ConfigurationError(`${file} is not JSON`);
  }
}

function withResolvedPaths<T>(config: T, folder: string): T {
  const walk = (value: unknown, key: string): unknown => {
    if (typeof value === 'string') return /(File|Dir)$/.test(key) ? resolve(folder, value) : value;
    if (Array.isArray(value)) return value.map((item) => walk(item, ''));
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, walk(member, name)]));
    }
    return value;
  };
  return walk(config, '') as T;
}
