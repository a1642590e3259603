export * from './checkpoint.ts';
export * from './entries.ts';
export * from './export.ts';
export * from './merkle-tree.ts';
