export * from './errors.ts';
export * from './nats-server.ts';
export * from './ports.ts';
export * from './postgres.ts';
export * from './resolve.ts';
export type { ProcessEnd, RunningServer } from './server-process.ts';
