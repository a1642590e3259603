export {
  type Accountant,
  createAccountant,
  type DeltaResult,
  deltaOf,
  type EpsilonResult,
  epsilonOf,
  MIN_DELTA,
} from './accountant.ts';
export { analyticGaussianDelta, analyticGaussianEpsilon, analyticGaussianMu } from './analytic-gaussian.ts';
export { type BudgetCap, type BudgetDecision, type BudgetRequest, decide } from './budget.ts';
export { calibrate, type Calibration, type CalibrationPart, type CalibrationRequest } from './calibration.ts';
export type { Correction, Method } from './composition.ts';
export { DiscreteGaussianSampler, sampleDiscreteGaussian } from './discrete-gaussian-sampler.ts';
export { assertEvent, type MechanismEvent, muSquaredOf } from './event.ts';
