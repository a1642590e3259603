import 'reflect-metadata';
import { InvalidInputError } from '@fedcarbon/kernel';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, ForbiddenException, Get, Module, Post } from '@nestjs/common';
import { z } from 'zod';
import {
  type Readiness,
  type RunningService,
  type ServiceTransport,
  createLogger,
  healthModule,
  problem,
  startService,
} from './index.ts';

@Controller('test')
class TestController {
  @Get('problem')
  problem() {
    throw problem(404, 'not_released', 'Not released', 'no release holds timber in DK', { released: ['all'] });
  }
  @Get('input')
  input() {
    throw new InvalidInputError('area: must be positive, found -3');
  }
  @Get('forbidden')
  forbidden() {
    throw new ForbiddenException('this key has the role analyst');
  }
  @Get('bug')
  bug() {
    throw new Error('password=hunter2');
  }
  @Post('echo')
  echo(@Body() body: unknown) {
    return body;
  }
}

describe('a service on HTTP', () => {
  const order: string[] = [];
  const lines: string[] = [];
  let ready: () => Promise<Readiness> = () => Promise.resolve({ database: true, broker: true });
  let service: RunningService;

  beforeAll(async () => {
    const transport: ServiceTransport = {
      listen: (callback) => {
        order.push('transport listens');
        callback();
      },
      close: () => order.push('transport closed'),
    };
    const logger = createLogger({
      name: 'test',
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    service = await startService(
      {
        name: 'test',
        config: z.any(),
        compose: () => {
          @Module({ imports: [healthModule({ ready: () => ready() })], controllers: [TestController] })
          class TestModule {}
          return Promise.resolve({
            module: TestModule,
            microservices: [transport],
            started: () => void order.push('started'),
            close: () => Promise.resolve(void order.push('parts closed')),
          });
        },
      },
      { http: { host: '127.0.0.1', port: 0 }, logLevel: 'info' },
      logger,
    );
  });
  afterAll(async () => {
    await service.stop();
    expect(order).toEqual(['transport listens', 'started', 'transport closed', 'parts closed']);
    await expect(fetch(service.url)).rejects.toThrow();
  });

  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(service.url + path, init);
    const type = response.headers.get('content-type')?.split(';')[0];
    return { status: response.status, type, body: (await response.json()) as unknown };
  };
  const PROBLEM = 'application/problem+json';

  it('tells life from readiness', async () => {
    ready = () => Promise.resolve({ database: true, broker: 'broker is not reachable' });
    expect(await get('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await get('/readyz')).toEqual({
      status: 503,
      type: PROBLEM,
      body: {
        type: 'urn:fedcarbon:problem:not_ready',
        title: 'Not ready',
        status: 503,
        detail: 'broker: broker is not reachable',
        instance: '/readyz',
        parts: { database: true, broker: 'broker is not reachable' },
      },
    });
    ready = () => Promise.reject(new Error('database: connection refused'));
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: { detail: 'check: database: connection refused' },
    });
    ready = () => Promise.resolve({ database: true });
    expect(await get('/readyz')).toMatchObject({ status: 200, body: { status: 'ready', parts: { database: true } } });
  });

  it.each([
    [
      '/test/problem',
      {
        type: 'urn:fedcarbon:problem:not_released',
        title: 'Not released',
        status: 404,
        detail: 'no release holds timber in DK',
        released: ['all'],
      },
    ],
    [
      '/test/input',
      {
        type: 'urn:fedcarbon:problem:invalid_input',
        title: 'Invalid input',
        status: 400,
        detail: 'area: must be positive, found -3',
      },
    ],
    [
      '/test/forbidden',
      { type: 'about:blank', title: 'Forbidden', status: 403, detail: 'this key has the role analyst' },
    ],
    ['/nowhere', { type: 'about:blank', title: 'Not Found', status: 404, detail: 'Cannot GET /nowhere' }],
    ['/test/bug', { type: 'about:blank', title: 'Internal Server Error', status: 500 }],
  ])('answers %s as a problem (RFC 9457)', async (path, body) => {
    expect(await get(path)).toEqual({ status: body.status, type: PROBLEM, body: { ...body, instance: path } });
  });

  it('logs unexpected errors only', () => {
    expect(lines.filter((line) => line.includes('request failed')).map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ path: '/test/bug', level: 'error' }),
    ]);
  });

  it.each([
    ['not JSON', '{"a":', 400],
    ['too large', JSON.stringify({ a: 'x'.repeat(200_000) }), 413],
  ])('answers a body that is %s as a problem', async (_, body, status) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    expect(await get('/test/echo', init)).toMatchObject({ status, type: PROBLEM, body: { status } });
  });
});
