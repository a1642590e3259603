export * from './layout.ts';
export * from './layouts.ts';
export * from './percentiles.ts';
export * from './position.ts';
export { reconcile } from './reconcile.ts';
export type { Segment, SegmentCounts } from './reconcile.ts';
export * from './segments.ts';
