export * from './clock.ts';
export * from './golden.ts';
export * from './nats.ts';
export * from './postgres.ts';
export * from './random.ts';
export * from './shared-servers.ts';
export * from './temporary-folder.ts';
