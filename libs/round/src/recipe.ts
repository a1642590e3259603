import { decodeIntegers, encodedLength, toSigned } from '@fedcarbon/codec';
import type { FederationPlan, MechanismEvent, Purpose } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { advance, type GamState, initialState } from '@fedcarbon/learning';

/** What a round of one purpose costs and how its updates look. */
export interface RoundShape {
  readonly event: MechanismEvent;
  /** Sums are modulo 2^bits. */
  readonly bits: number;
  /** Number of integers of an update. */
  readonly length: number;
}

/** Number of weights of the plan's model. */
export function modelLength(plan: FederationPlan): number {
  return plan.recipe.binsPerFeature.reduce((sum, bins) => sum + bins, 0);
}

/** Number of cells of the plan's benchmark release: outcome bins of all histograms times groups, of all margins. */
function benchmarkLength({ benchmarks: { layout } }: FederationPlan): number {
  const bins = (histograms: readonly (readonly number[])[]) =>
    histograms.reduce((sum, edges) => sum + edges.length - 1, 0);
  return layout.margins.reduce((sum, { groups, histograms }) => sum + groups.length * bins(histograms), 0);
}

/** The shape that the plan prescribes. */
export function roundShape(plan: FederationPlan, purpose: Purpose): RoundShape {
  return purpose === 'model'
    ? { event: plan.recipe.event, bits: plan.recipe.bits, length: modelLength(plan) }
    : { event: plan.benchmarks.event, bits: plan.benchmarks.bits, length: benchmarkLength(plan) };
}

/** `<first 12 digits of the plan hash>-<index>`. */
export function roundIdOf(planHash: string, index: number): string {
  return `${planHash.slice(0, 12)}-${String(index)}`;
}

/** The index in a round's id. Throws InvalidInputError (`unknown_round`) unless the plan can have such a round. */
export function roundIndex(plan: FederationPlan, planHash: string, roundId: string): number {
  const index = Number(roundId.split('-')[1]);
  if (roundId !== roundIdOf(planHash, index) || index > lastIndex(plan)) {
    throw new InvalidInputError(`plan ${planHash} has no round ${roundId}`, { code: 'unknown_round' });
  }
  return index;
}

/** Largest index that a round of the plan can have: model rounds, spare ones included, and the benchmarks. */
export function lastIndex({ recipe }: FederationPlan): number {
  return recipe.rounds + recipe.spareRounds + 1;
}

/** What `round.opened` leaves to the plan, for its reader. A round that was signed as anything else verifies under no key. Throws as `roundIndex` does. */
export function roundContext(plan: FederationPlan, planHash: string) {
  return ({ roundId, purpose }: { readonly roundId: string; readonly purpose: Purpose }) => ({
    ...{ planHash, index: roundIndex(plan, planHash, roundId) },
    ...roundShape(plan, purpose),
  });
}

/** Throws InvalidInputError unless `payload` holds integers of this shape, and nothing else. */
export function checkPayload(shape: RoundShape, payload: Uint8Array): void {
  const expected = encodedLength(shape.length, shape.bits);
  if (payload.length !== expected) {
    throw new InvalidInputError(
      `an update of this round takes ${String(expected)} bytes, found ${String(payload.length)}`,
    );
  }
  const { bits, values } = decodeIntegers(payload);
  if (bits !== shape.bits || values.length !== shape.length) {
    throw new InvalidInputError(
      `an update of this round holds ${String(shape.length)} integers of ${String(shape.bits)} bits, found ${String(values.length)} of ${String(bits)}`,
    );
  }
}

/** The learner after the released model rounds, in order; each aggregate is the packed modular sum. The same bits on every machine. */
export function replayLearner(plan: FederationPlan, aggregates: Iterable<Uint8Array>): GamState {
  const { rounds, nominalRecords, momentum, stepSize } = plan.recipe;
  let state = initialState(modelLength(plan));
  for (const aggregate of aggregates) {
    const { values, bits } = decodeIntegers(aggregate);
    state = advance(state, toSigned(values, bits), { rounds, nominalRecords, momentum, learningRate: stepSize });
  }
  return state;
}
