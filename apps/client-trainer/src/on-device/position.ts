import type { PositionRequest } from '@fedcarbon/contracts';
import {
  gamShape,
  predict,
  predictiveInterval,
  type PredictiveInterval,
  predictivePercentile,
  predictWithResidual,
} from '@fedcarbon/learning';
import { encodeBuilding, stockView } from '@fedcarbon/plan';
import type { Membership } from '../trainer.ts';
import type { OwnModel, PublishedModel } from './stored-models.ts';

/** Of the interval: from the 10th to the 90th percentile of what is expected. */
const CONFIDENCE = 0.8;

/** What a holder learns about one building of its own, on its own machine. Computed from its records and not differentially private: for the holder alone. */
export interface HolderPosition {
  readonly holder: string;
  readonly dataset: string;
  readonly plan: { readonly name: string; readonly hash: string };
  /** With the on-device model, where there is one. */
  readonly predictedIntensity: number;
  /** What is positioned: the given intensity, else the prediction. */
  readonly intensity: number;
  readonly unit: string;
  /** Where a building like this is expected; null with too few training records. */
  readonly interval: (PredictiveInterval & { readonly confidence: number }) | null;
  /** Where the given intensity stands; null when none was given. */
  readonly position: {
    /** Given less predicted intensity. */
    readonly difference: number;
    /** Share of buildings like this, from 0 to 1, that are expected below it; null without training records. */
    readonly percentile: number | null;
  } | null;
  /** The federation's model alone. */
  readonly federation: { readonly predictedIntensity: number; readonly modelDigest: string };
  /** Null until it is fitted, and without training records; `note` says which. */
  readonly onDevice:
    | ({ readonly predictedIntensity: number } & Pick<OwnModel, 'version' | 'digest' | 'records' | 'used' | 'rmse'>)
    | null;
  /** Why the on-device model changes nothing; null when it is used. */
  readonly note: string | null;
}

/** Predicts a building with and without the on-device model. Throws InvalidInputError for attributes that are not the plan's. */
export function position(
  { plan, planHash, member }: Membership,
  { weights, digest: modelDigest }: PublishedModel,
  own: OwnModel | undefined,
  request: PositionRequest,
): HolderPosition {
  const { binsPerFeature, yRange } = plan.recipe;
  const codes = encodeBuilding(stockView(plan.stock), request.attributes);
  const federation = predict(gamShape(binsPerFeature), weights, codes, yRange);
  const [predictedIntensity = NaN] =
    own === undefined ? federation : predictWithResidual(own.model, codes, federation, modelDigest);
  const errors = own?.model.errors ?? new Float64Array(0);
  const interval = predictiveInterval(predictedIntensity, errors, CONFIDENCE);
  const { intensity } = request;
  return {
    ...{ holder: member.holder, dataset: member.dataset, plan: { name: plan.name, hash: planHash } },
    ...{ predictedIntensity, intensity: intensity ?? predictedIntensity, unit: plan.stock.unit },
    interval: interval === undefined ? null : { confidence: CONFIDENCE, ...interval },
    position:
      intensity === undefined
        ? null
        : {
            difference: intensity - predictedIntensity,
            percentile: predictivePercentile(predictedIntensity, errors, intensity) ?? null,
          },
    federation: { predictedIntensity: federation[0] ?? NaN, modelDigest },
    onDevice: own === undefined || own.records === 0 ? null : { predictedIntensity, ...about(own) },
    note: noteOn(own),
  };
}

function about({ version, digest, records, used, rmse }: OwnModel) {
  return { version, digest, records, used, rmse };
}

function noteOn(own: OwnModel | undefined): string | null {
  if (own === undefined) return "the on-device model is not fitted yet: this is the federation's model alone";
  if (own.records === 0) return "this holder has no training records: this is the federation's model alone";
  return own.used
    ? null
    : "on this holder's records nothing predicts better than the federation's model: it is used alone";
}
