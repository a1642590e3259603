export * from './clock.ts';
export * from './golden.ts';
export * from './nats.ts';
export { type TestPostgres, startPostgres, testDatabase } from './postgres.ts';
export * from './random.ts';
export * from './temporary-folder.ts';
