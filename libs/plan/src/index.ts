export * from './assumption.ts';
export * from './encode-building.ts';
export * from './noise.ts';
export * from './plan-file.ts';
export * from './resolve.ts';
export * from './stock-views.ts';
