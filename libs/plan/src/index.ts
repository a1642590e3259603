export * from './plan-file.ts';
export * from './resolve.ts';
export * from './stock-views.ts';
