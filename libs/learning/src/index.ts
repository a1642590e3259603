export { type EncodedStock, type GamShape, gamShape, type YRange } from './gam-shape.ts';
export * from './gam-state.ts';
export * from './integer-width.ts';
export * from './local-sum.ts';
export * from './metrics.ts';
export * from './model-bytes.ts';
export * from './prediction.ts';
export * from './step-size.ts';
