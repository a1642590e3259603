import { describeError, FedcarbonError } from '@fedcarbon/kernel';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import 'reflect-metadata';
import { ConfigurationError, loadConfig } from './config.ts';
import { type Logger, createLogger, nestLogger, withoutUrlPasswords } from './logger.ts';
import { ProblemFilter } from './problem.ts';

/** What every service's configuration holds. */
export interface ServiceConfig {
  readonly http: { readonly host: string; readonly port: number };
  readonly logLevel: string;
}

/** A Nest transport strategy, such as JetStreamServer of @fedcarbon/messaging. */
export interface ServiceTransport {
  listen(callback: (...results: unknown[]) => unknown): unknown;
  close(): unknown;
}

/** The parts of a service, made from its configuration. */
export interface ServiceParts {
  readonly module: Type | DynamicModule;
  readonly microservices?: readonly ServiceTransport[];
  /** Runs once HTTP and the transports listen; start pumps and timers here. */
  readonly started?: () => void | Promise<void>;
  /** Runs last, after HTTP and the transports have stopped: stop pumps, close broker connections and the database. */
  readonly close?: () => Promise<void>;
}

export interface ServiceDefinition<C extends ServiceConfig> {
  readonly name: string;
  readonly config: z.ZodType<C>;
  readonly compose: (context: { readonly config: C; readonly logger: Logger }) => Promise<ServiceParts>;
}

/** Time for a graceful stop, above the time that transports give their running handlers (10 s). */
const STOP_DEADLINE_MS = 15_000;

/**
 * Runs a service until SIGTERM or SIGINT: reads the configuration, composes the parts, listens on HTTP, starts the transports, logs one line "listening".
 * A stop lets running handlers finish, closes the parts and exits with 0 (1 when the deadline passes). A start that fails prints one sentence on
 * standard error and exits with 2 for the configuration, else 1. For an example of a definition see apps/regional-aggregator/src/service.ts; the app's main.ts
 * hands it to this function and does nothing else.
 */
export async function runService<C extends ServiceConfig>(definition: ServiceDefinition<C>): Promise<void> {
  let running: RunningService | undefined;
  let logger: Logger | undefined;
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => {
      logger?.error({ deadlineMs: STOP_DEADLINE_MS }, 'did not stop in time');
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
    logger?.info({ signal }, 'stopping');
    // A service that has not started yet has nothing to finish: what it left half done is redone, as after a crash.
    (running?.stop() ?? Promise.resolve()).then(
      () => process.exit(0),
      (error: unknown) => {
        logger?.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    const config = loadConfig(definition.config);
    logger = createLogger({ name: definition.name, level: config.logLevel });
    running = await startService(definition, config, logger);
    logger.info({ url: running.url }, 'listening');
  } catch (error) {
    logger?.debug({ err: error }, 'start failed');
    process.stderr.write(`${definition.name}: ${startFailure(error)}\n`);
    process.exit(error instanceof ConfigurationError ? error.exitCode : 1);
  }
  const die = (error: unknown) => {
    logger?.fatal({ err: error }, 'unexpected error');
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
}

/** A service in this process. */
export interface RunningService {
  readonly url: string;
  readonly app: INestApplication;
  stop(): Promise<void>;
}

/** Starts a service without touching the process: `runService` for tests. */
export async function startService<C extends ServiceConfig>(
  definition: ServiceDefinition<C>,
  config: C,
  logger: Logger,
): Promise<RunningService> {
  const parts = await definition.compose({ config, logger });
  let app: INestApplication | undefined;
  const stop = async () => {
    // Closing waits for requests under way; a connection that its client keeps open after the answer must not hold it up.
    const server = app?.getHttpServer() as Server | undefined;
    const idle = setInterval(() => server?.closeIdleConnections(), 50);
    try {
      await app?.close();
    } finally {
      clearInterval(idle);
    }
    await parts.close?.();
  };
  try {
    app = await NestFactory.create(parts.module, {
      logger: nestLogger(logger),
      abortOnError: false,
    });
    app.useGlobalFilters(new ProblemFilter(logger));
    for (const strategy of parts.microservices ?? []) app.connectMicroservice({ strategy }, { inheritAppConfig: true });
    // HTTP first: a port in use must not cost a delivery.
    await app.listen(config.http.port, config.http.host);
    await app.startAllMicroservices();
    await parts.started?.();
  } catch (error) {
    await stop();
    throw error;
  }
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return { url: `http://${config.http.host}:${String(port)}`, app, stop };
}

/** One sentence about why a start failed. */
export function startFailure(error: unknown): string {
  const { code, syscall, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  const place = `${address ?? ''}:${String(port)}`;
  if (code === 'EADDRINUSE') return `${place} is in use: stop what listens there, or set another http.port`;
  if (code === 'EACCES' && syscall === 'listen') return `no right to listen on ${place}: set another http.port`;
  const cause = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  if (!(cause instanceof FedcarbonError) && (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED') {
    return `cannot connect: ${describeError(cause)}; start the server there or correct the configuration`;
  }
  return withoutUrlPasswords(describeError(cause).replace(/\s+/g, ' ').trim());
}
