import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';

/** Structured log: `logger.info({ round: 3 }, 'round closed')`. */
export type Logger = PinoLogger;

const SECRETS = ['password', 'databaseUrl', 'keyPem', 'privateKey', 'apiKey', 'authorization', '["x-api-key"]'];

/** Hides the password of every URL in a text. */
export function withoutUrlPasswords(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"]*:)[^\s@/"]+@/gi, '$1***@');
}

/** One JSON object a line on standard output. Members that hold secrets, and passwords in URLs, are blanked out. */
export function createLogger(options: {
  readonly name: string;
  readonly level: string;
  /** Default standard output. */
  readonly destination?: DestinationStream;
}): Logger {
  const { name, level, destination = pino.destination({ dest: 1, sync: true }) } = options;
  return pino(
    {
      level,
      base: { service: name, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRETS.flatMap((key) => [key, key.startsWith('[') ? `*${key}` : `*.${key}`]),
        censor: '***',
      },
      hooks: { streamWrite: withoutUrlPasswords },
    },
    destination,
  );
}

/** Nest's own log lines, in the service's log. What Nest calls "log" (each route, each module) is detail here. */
export function nestLogger(logger: Logger): LoggerService {
  const write =
    (level: 'fatal' | 'error' | 'warn' | 'debug' | 'trace') =>
    (message: unknown, ...rest: unknown[]) => {
      const context = typeof rest.at(-1) === 'string' ? { context: rest.at(-1) } : {};
      if (message instanceof Error) logger[level]({ ...context, err: message }, message.message);
      else if (typeof message === 'string') logger[level](context, message);
      else logger[level]({ ...context, details: message }, 'Nest');
    };
  return {
    fatal: write('fatal'),
    error: write('error'),
    warn: write('warn'),
    log: write('debug'),
    debug: write('debug'),
    verbose: write('trace'),
  };
}
