export * from './bytes.ts';
export * from './canonical-json.ts';
export * from './errors.ts';
export * from './ports.ts';
