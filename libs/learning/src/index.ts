export { type EncodedStock, type GamShape, gamShape, type YRange } from './gam-shape.ts';
export * from './gam-state.ts';
export * from './integer-width.ts';
export * from './local-sum.ts';
export * from './metrics.ts';
export * from './model-bytes.ts';
export * from './prediction.ts';
export * from './predictive-distribution.ts';
export * from './residual-bytes.ts';
export {
  fitResidual,
  predictWithResidual,
  RESIDUAL_GRID,
  type ResidualGrid,
  type ResidualModel,
  type ResidualValidation,
} from './residual-model.ts';
export * from './step-size.ts';
