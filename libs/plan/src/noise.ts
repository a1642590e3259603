import type { NoiseShares, PlanFile, Purpose } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { calibrate, deltaOf } from '@fedcarbon/privacy';
import { deltaOfNoiseShares, leastSurvivors, noiseShare, sumOfDiscreteGaussiansTau } from '@fedcarbon/secure-sum';

type ByPurpose = Readonly<Record<Purpose, number>>;

/** What the noise has to pay for. */
export interface NoiseRequest {
  readonly epsilon: number;
  readonly delta: number;
  readonly parts: Readonly<
    Record<Purpose, { readonly share: number; readonly sensitivitySquared: number; readonly steps: number }>
  >;
}

/** The noise of a plan, as variance parameters of discrete Gaussians in squared integer units. */
export interface PlanNoise {
  /** What a round is charged. */
  readonly eventSigmaSquared: ByPurpose;
  /** What each holder adds. */
  readonly shareSigmaSquared: ByPurpose;
  /** What goes into the plan: null under trust `local`. */
  readonly shares: NoiseShares | null;
}

/**
 * Noise that keeps all rounds together within epsilon at delta. Without a secure sum every holder adds all of it. With one, each adds a share, so that any
 * `minSurvivors` less `maxColluding` of them add up to what is charged (more of them only add noise to that, which is post-processing); a sum of discrete
 * Gaussians is not one, so its distance is taken off delta first. Throws InvalidInputError when there are too few members for the secure sum, or delta is too
 * small for the distance.
 */
export function planNoise(request: NoiseRequest, secureSum: PlanFile['secureSum'], members: number): PlanNoise {
  if (secureSum === undefined) {
    const sigmaSquared = calibrated(request, request.delta);
    return { eventSigmaSquared: sigmaSquared, shareSigmaSquared: sigmaSquared, shares: null };
  }
  const { protocol, minSurvivors, maxColluding } = secureSum;
  if (members < 3) {
    throw new InvalidInputError(`secureSum: takes at least 3 members, found ${String(members)}`);
  }
  const least = leastSurvivors(protocol, members);
  if (minSurvivors < least || minSurvivors > members) {
    throw new InvalidInputError(
      `secureSum.minSurvivors: must be ${String(least)} to ${String(members)} for ${String(members)} members, found ${String(minSurvivors)}; ${protocol} opens no sum of fewer`,
    );
  }
  const { eventSigmaSquared, shareSigmaSquared, noiseDistanceDelta } = sharesWithin(request, secureSum);
  const shares = { minSurvivors, maxColluding, shareSigmaSquared: { ...shareSigmaSquared }, noiseDistanceDelta };
  return { eventSigmaSquared, shareSigmaSquared, shares };
}

function sharesWithin(
  request: NoiseRequest,
  { minSurvivors, maxColluding }: { readonly minSurvivors: number; readonly maxColluding: number },
) {
  const { epsilon, delta, parts } = request;
  const honest = minSurvivors - maxColluding;
  const at = (distanceDelta: number) => {
    const total = calibrated(request, delta - distanceDelta);
    const share = (purpose: Purpose) =>
      noiseShare({ totalSigmaSquared: total[purpose], minSurvivors, maxColluding }).sigmaSquared;
    const shareSigmaSquared = { model: share('model'), benchmarks: share('benchmarks') };
    const distance = (purpose: Purpose) =>
      deltaOfNoiseShares({
        tau: sumOfDiscreteGaussiansTau({ sigmaSquaredPerShare: shareSigmaSquared[purpose], shares: honest }),
        unitShifts: parts[purpose].sensitivitySquared * parts[purpose].steps,
        epsilon,
      });
    return { shareSigmaSquared, found: distance('model') + distance('benchmarks') };
  };
  // Less delta means more noise, and more noise a smaller distance: what was found first is enough the second time.
  const noiseDistanceDelta = at(0).found;
  if (!(noiseDistanceDelta < delta)) {
    throw new InvalidInputError(
      `privacy.delta: ${String(delta)} does not pay for the distance ${noiseDistanceDelta.toPrecision(3)} between the sum of ${String(honest)} noise shares and the noise that is charged; less epsilon or fewer survivors make the shares larger`,
    );
  }
  const { shareSigmaSquared, found } = at(noiseDistanceDelta);
  // Charged is exactly what the shares add up to: rounding them up has only made it more.
  const eventSigmaSquared = {
    model: honest * shareSigmaSquared.model,
    benchmarks: honest * shareSigmaSquared.benchmarks,
  };
  const events = (['model', 'benchmarks'] as const).map((purpose) => ({
    kind: 'discreteGaussian' as const,
    sigmaSquared: eventSigmaSquared[purpose],
    sensitivitySquared: parts[purpose].sensitivitySquared,
    steps: parts[purpose].steps,
  }));
  if (found > noiseDistanceDelta || deltaOf(events, epsilon).delta > delta - noiseDistanceDelta) {
    throw new Error('the noise shares do not stay within delta');
  }
  return { shareSigmaSquared, eventSigmaSquared, noiseDistanceDelta };
}

function calibrated({ epsilon, parts }: NoiseRequest, delta: number): ByPurpose {
  const [model, benchmarks] = calibrate({ epsilon, delta, parts: [parts.model, parts.benchmarks] }).parts;
  if (model === undefined || benchmarks === undefined) throw new Error('the calibration gave no noise');
  return { model: model.sigmaSquared, benchmarks: benchmarks.sigmaSquared };
}
