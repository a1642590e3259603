import type { PlanFile } from '@fedcarbon/contracts';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import {
  checkLayout,
  ecebdLayout,
  type HistogramLayout,
  type HistogramRow,
  uciHeatingLayout,
} from '@fedcarbon/benchmark';
import { type EncodedStock, gamShape } from '@fedcarbon/learning';
import {
  binLabels,
  binsPerFeature,
  type BuildingRecord,
  type DatasetName,
  ECEBD_SCHEMA,
  ECEBD_SCHEMA_V2,
  encodeRecords,
  type FeatureSchema,
  type OutcomeName,
  outcomeOf,
  UCI_ENERGY_SCHEMA,
  UCI_ENERGY_SCHEMA_V2,
} from '@fedcarbon/stock';

/** Versioned public bins, by the name that plans use. A version is never changed; another set of bins is another name. */
const SCHEMAS: Readonly<Record<string, FeatureSchema>> = {
  'ecebd/v1': ECEBD_SCHEMA,
  'ecebd/v2': ECEBD_SCHEMA_V2,
  'uci-energy/v1': UCI_ENERGY_SCHEMA,
  'uci-energy/v2': UCI_ENERGY_SCHEMA_V2,
};

/** What plans call an outcome, and its unit. */
const TARGETS: Readonly<
  Record<string, { readonly dataset: DatasetName; readonly outcome: OutcomeName; readonly unit: string }>
> = {
  'embodied-carbon': { dataset: 'ecebd', outcome: 'embodiedCarbonKgCo2ePerM2PerYear', unit: 'kgCO2e/m2/yr' },
  'heating-load': { dataset: 'uci-energy', outcome: 'heatingLoadKwhPerM2', unit: 'kWh/m2' },
  'cooling-load': { dataset: 'uci-energy', outcome: 'coolingLoadKwhPerM2', unit: 'kWh/m2' },
};

/** Attribute behind each margin of a benchmark release, by data set. `all` counts every record. */
const MARGIN_ATTRIBUTES: Readonly<Record<DatasetName, Readonly<Record<string, string>>>> = {
  ecebd: { country: 'country', subtype: 'useSubtype', structure: 'structureType' },
  'uci-energy': { glazingArea: 'glazingAreaRatio' },
};

/** How a plan looks at building records: which bins are features, which outcome is the target, which groups are counted. */
export interface StockView {
  readonly dataset: DatasetName;
  readonly schema: FeatureSchema;
  readonly outcome: OutcomeName;
  readonly unit: string;
}

/** The view that a plan's `stock` names. Throws InvalidInputError that names the key and lists what there is. */
export function stockView(stock: {
  readonly featureSchema: string;
  readonly target: string;
  readonly features?: readonly string[] | undefined;
}): StockView {
  const whole = SCHEMAS[stock.featureSchema];
  if (whole === undefined) throw unknown('stock.featureSchema', stock.featureSchema, Object.keys(SCHEMAS));
  const target = TARGETS[stock.target];
  if (target?.dataset !== whole.dataset) {
    const known = Object.keys(TARGETS).filter((name) => TARGETS[name]?.dataset === whole.dataset);
    throw unknown('stock.target', stock.target, known);
  }
  const names = whole.features.map(({ name }) => name);
  for (const feature of stock.features ?? []) {
    if (!names.includes(feature)) throw unknown('stock.features', feature, names);
  }
  const chosen = stock.features;
  const features = chosen === undefined ? whole.features : whole.features.filter(({ name }) => chosen.includes(name));
  return {
    dataset: whole.dataset,
    schema: { ...whole, features, ...crossesOf(whole, features) },
    outcome: target.outcome,
    unit: target.unit,
  };
}

/** The crosses that the chosen attributes allow. Throws InvalidInputError when attributes were chosen and none is left. */
function crossesOf({ crosses }: FeatureSchema, features: FeatureSchema['features']): Pick<FeatureSchema, 'crosses'> {
  if (crosses === undefined) return {};
  const chosen = new Set(features.map(({ name }) => name));
  const left = crosses.filter(({ factors }) => factors.every(({ name }) => chosen.has(name)));
  if (left.length > 0) return { crosses: left };
  throw new InvalidInputError(
    `stock.features: ${[...chosen].join(', ')} leave no feature of the model; each needs all of ${crosses.map(({ name }) => name).join(', or ')}`,
  );
}

/** Number of bins of each feature of a view. */
export function binCounts(view: StockView): number[] {
  return binsPerFeature(view.schema);
}

/** The records as the model sees them. */
export function encodeStock(view: StockView, records: readonly BuildingRecord[]): EncodedStock {
  const { codes, targets } = encodeRecords(records, view.schema, view.outcome);
  return { shape: gamShape(binCounts(view)), codes, y: targets };
}

/** The records as the benchmark histogram counts them. */
export function histogramRows(view: StockView, records: readonly BuildingRecord[]): HistogramRow[] {
  const margins = Object.entries(MARGIN_ATTRIBUTES[view.dataset]);
  return records.map((record) => {
    const attributes: Readonly<Record<string, string | number | null>> = record.attributes;
    const group = (attribute: string) => attributes[attribute]?.toString();
    return {
      y: outcomeOf(record, view.outcome),
      groups: Object.fromEntries(margins.map(([margin, attribute]) => [margin, group(attribute)])),
    };
  });
}

/**
 * The layout of a plan's benchmark release: the view's published layout, reduced to the margins that the plan releases. Throws InvalidInputError, naming the
 * key, for a margin that does not exist or comes twice, for edges that do not ascend, and for `wholeEdges` without a margin of all records.
 */
export function benchmarkLayout(view: StockView, benchmarks: PlanFile['benchmarks']): HistogramLayout {
  const layout =
    view.dataset === 'ecebd' ? ecebdGroups(view) : uciHeatingLayout({ glazingAreas: terms(view, 'glazingAreaRatio') });
  const names = layout.margins.map(({ name }) => name);
  for (const margin of benchmarks.margins) {
    if (!names.includes(margin)) throw unknown('benchmarks.margins', margin, names);
  }
  const doubled = benchmarks.margins.find((margin, m) => benchmarks.margins.indexOf(margin) < m);
  if (doubled !== undefined) throw new InvalidInputError(`benchmarks.margins: "${doubled}" is listed twice`);
  const { edges, wholeEdges } = benchmarks;
  if (wholeEdges !== undefined && !benchmarks.margins.includes('all')) {
    throw new InvalidInputError(
      'benchmarks.wholeEdges: all records are not released; add "all" to margins or leave it out',
    );
  }
  const released = {
    margins: layout.margins
      .filter(({ name }) => benchmarks.margins.includes(name))
      .map((margin) => {
        const histograms = edges === undefined ? margin.histograms : [edges];
        return { ...margin, histograms: margin.groups.length === 1 ? (wholeEdges ?? histograms) : histograms };
      }),
  };
  try {
    checkLayout(released);
  } catch (cause) {
    throw new InvalidInputError(`benchmarks: ${describeError(cause)}`, { cause });
  }
  return released;
}

function ecebdGroups(view: StockView): HistogramLayout {
  return ecebdLayout({
    countries: terms(view, 'country'),
    subtypes: terms(view, 'useSubtype'),
    structures: terms(view, 'structureType'),
  });
}

/** The public terms of an attribute in the versioned bins, without the bins for missing and other. */
function terms(view: StockView, attribute: string): string[] {
  const schema = Object.values(SCHEMAS).find(({ dataset }) => dataset === view.dataset);
  const feature = schema?.features.find(({ name }) => name === attribute);
  if (feature === undefined) throw new InvalidInputError(`the bins of ${view.dataset} have no ${attribute}`);
  return feature.kind === 'codebook' ? [...feature.terms] : binLabels(feature);
}

function unknown(key: string, found: string, known: readonly string[]): InvalidInputError {
  return new InvalidInputError(`${key}: unknown "${found}"; there are ${known.join(', ')}`);
}
