import { sensitivitySquared } from '@fedcarbon/benchmark';
import {
  FederationPlan,
  type NoiseShares,
  parseStrict,
  type PlanFile,
  type Purpose,
  type SecureSumPlan,
} from '@fedcarbon/contracts';
import { canonicalBytes, InvalidInputError, type Json, type Sha256, toHex } from '@fedcarbon/kernel';
import { integerWidth, MOMENTUM, RESIDUAL_SCALE, STEP_CAP, STEP_KAPPA, stepSize } from '@fedcarbon/learning';
import { planNoise } from './noise.ts';
import { benchmarkLayout, binCounts, stockView } from './stock-views.ts';
import { checkQuorum } from './quorum.ts';
import { stockUse } from './stock-source.ts';

/** Who takes part, with the public keys that their operators have handed in. */
export interface Enrolment {
  readonly simulation: boolean;
  readonly data: FederationPlan['stock']['data'];
  readonly keys: FederationPlan['keys'];
  readonly operatorKey: string;
  /** Of the second server, under protocol `two-servers`. */
  readonly helper?: { readonly publicKey: string; readonly sealingKey: string } | undefined;
  readonly regions: readonly {
    readonly name: string;
    readonly publicKey: string;
    readonly members: readonly { readonly holder: string; readonly dataset: string; readonly publicKey: string }[];
  }[];
}

/**
 * The resolved plan: noise calibrated so that all rounds, spare ones included, and the benchmark release stay within epsilon at delta; the step size and the
 * widths that follow from it. Everything is computed from public quantities. Throws InvalidInputError when the enrolment does not fit the file.
 */
export function resolvePlan(file: PlanFile, enrolment: Enrolment): FederationPlan {
  const view = stockView(file.stock);
  const bins = binCounts(view);
  const layout = benchmarkLayout(view, file.benchmarks);
  const members = enrolment.regions.reduce((sum, region) => sum + region.members.length, 0);
  checkQuorum(
    enrolment.regions.map((region) => region.members.length),
    file.round,
  );
  const { rounds, spareRounds } = file.recipe;
  const { residualScale = RESIDUAL_SCALE, momentum = MOMENTUM, kappa = STEP_KAPPA } = file.recipe;
  const { epsilon, delta, budgetShares } = file.privacy;
  const features = bins.length;
  const noise = planNoise(
    {
      ...{ epsilon, delta },
      parts: {
        model: { share: budgetShares.model, sensitivitySquared: features, steps: rounds + spareRounds },
        benchmarks: { share: budgetShares.benchmarks, sensitivitySquared: sensitivitySquared(layout), steps: 1 },
      },
    },
    file.secureSum,
    members,
  );
  // Variances add up over members: planned for all of them taking part.
  const sdOfSum = (purpose: Purpose) => Math.sqrt(members * noise.shareSigmaSquared[purpose]);
  const nominalTraining = Math.round(file.nominalRecords.total * (1 - file.partition.testShare));
  const event = (sigmaSquared: number, sensitivity: number) => ({
    kind: 'discreteGaussian' as const,
    sigmaSquared,
    sensitivitySquared: sensitivity,
    steps: 1,
  });
  const plan: FederationPlan = {
    version: 1,
    name: file.name,
    simulation: enrolment.simulation,
    keys: enrolment.keys,
    operatorKey: enrolment.operatorKey,
    privacy: {
      ...{ epsilon, delta, trust: file.trust, adjacency: 'add-or-remove-one-record', budgetShares },
      secureSum: noise.shares && secureSumPlan(file, enrolment, noise.shares),
    },
    stock: {
      featureSchema: file.stock.featureSchema,
      features: view.schema.features.map(({ name }) => name),
      target: file.stock.target,
      unit: view.unit,
      use: stockUse(file.stock),
      data: enrolment.data,
    },
    regions: enrolment.regions.map((region) => ({
      name: region.name,
      publicKey: region.publicKey,
      members: region.members.map((member) => ({ ...member, nominalRecords: file.nominalRecords.perClient })),
    })),
    recipe: {
      kind: 'gam-sum',
      binsPerFeature: bins,
      yRange: file.stock.yRange,
      residualScale,
      momentum,
      rounds,
      spareRounds,
      stepSize: stepSize({
        nominalRecords: nominalTraining,
        rounds,
        features,
        sigmaOfSum: sdOfSum('model'),
        kappa,
        cap: STEP_CAP,
      }),
      nominalRecords: nominalTraining,
      bits: integerWidth({ nominalRecords: nominalTraining, sdOfSum: sdOfSum('model') }),
      event: event(noise.eventSigmaSquared.model, features),
    },
    benchmarks: {
      layout: {
        margins: layout.margins.map(({ name, groups, histograms }) => ({
          ...{ name, groups: [...groups], histograms: histograms.map((edges) => [...edges]) },
        })),
      },
      nominalRecords: file.nominalRecords.total,
      bits: integerWidth({ nominalRecords: file.nominalRecords.total, sdOfSum: sdOfSum('benchmarks') }),
      event: event(noise.eventSigmaSquared.benchmarks, sensitivitySquared(layout)),
      confidence: file.benchmarks.confidence,
      maxRelativeHalfWidth: file.benchmarks.maxRelativeHalfWidth,
    },
    round: file.round,
  };
  return parseStrict(FederationPlan, plan, 'resolved plan');
}

function secureSumPlan({ secureSum }: PlanFile, { keys, helper }: Enrolment, shares: NoiseShares): SecureSumPlan {
  if (secureSum?.protocol !== 'two-servers') return { protocol: 'double-masking', ...shares };
  if (helper === undefined || helper.publicKey === keys.global) {
    throw new InvalidInputError('secureSum.protocol: "two-servers" needs a helper with keys of its own');
  }
  return { protocol: 'two-servers', ...shares, helper };
}

/** SHA-256 of the plan's canonical bytes, as hexadecimal: the name under which everybody knows the plan. */
export function planHash(plan: FederationPlan, sha256: Sha256): string {
  return toHex(sha256(canonicalBytes(plan as Json)));
}
