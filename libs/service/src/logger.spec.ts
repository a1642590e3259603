import { describe, expect, it } from '@jest/globals';
import { createLogger, nestLogger } from './index.ts';

function recording(level: string) {
  const lines: string[] = [];
  const logger = createLogger({ name: 'test', level, destination: { write: (line) => void lines.push(line) } });
  return { logger, lines };
}

describe('the log', () => {
  it('is one JSON object a line, with the service and the time', () => {
    const { logger, lines } = recording('info');
    logger.info({ round: 3 }, 'round closed');
    logger.debug('not shown');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'info',
      service: 'test',
      round: 3,
      msg: 'round closed',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  it('hides secrets, also one level down, in headers, in URLs and in errors', () => {
    const { logger, lines } = recording('info');
    const secret = 'hunter2';
    const url = `postgresql://fc_api:${secret}@db/fc`;
    logger.info(
      { password: secret, broker: { password: secret }, databaseUrl: url, config: { databaseUrl: url } },
      'a',
    );
    logger.info({ headers: { authorization: secret, 'x-api-key': secret } }, 'b');
    logger.error({ err: new Error(`cannot reach ${url}`) }, `cannot reach ${url}`);
    expect(lines.join('')).not.toContain(secret);
    expect(lines[2]).toContain('postgresql://fc_api:***@db/fc');
  });

  it("takes Nest's lines at a lower level and keeps their context", () => {
    const { logger, lines } = recording('warn');
    const nest = nestLogger(logger);
    nest.log('Mapped {/, GET} route', 'RouterExplorer');
    nest.warn('odd', 'NestFactory');
    nest.error(new TypeError('broken'), 'ExceptionHandler');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ level: 'warn', context: 'NestFactory', msg: 'odd' }),
      expect.objectContaining({ level: 'error', msg: 'broken', err: expect.objectContaining({ type: 'TypeError' }) }),
    ]);
  });
});
