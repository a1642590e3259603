import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type FederationPlan, type ModelAnswer, type PlanFile } from '@fedcarbon/contracts';
import { loadStock, type LoadedStock } from '@fedcarbon/datasets';
import { describeError, InvalidInputError } from '@fedcarbon/kernel';
import { type EncodedStock, gamShape, metrics, predict } from '@fedcarbon/learning';
import { encodeStock, parsePlanFile, partitionSpec, type StockView, stockView } from '@fedcarbon/plan';
import { type Holder, partitionStock } from '@fedcarbon/stock';
import { parse } from 'yaml';
import { givenPath } from './arguments.ts';

/** A plan on this machine: its file, its stock, and the holders among whom the stock is split. */
export interface Simulation {
  readonly file: PlanFile;
  readonly stock: LoadedStock;
  readonly view: StockView;
  readonly holders: readonly Holder[];
}

/** Reads a plan by name (`federations/NAME.yaml`) or path. Throws InvalidInputError, naming the file and the place, for anything that is wrong with it. */
export function readPlanFile(
  nameOrPath: string,
  checkoutDir: string,
  overrides: { readonly rounds?: number } = {},
): PlanFile {
  const isName = /^[a-z0-9-]+$/.test(nameOrPath);
  const path = isName ? join(checkoutDir, 'federations', `${nameOrPath}.yaml`) : givenPath(nameOrPath);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new InvalidInputError(`there is no plan ${path}; federations/ holds the ones that come with the project`, {
      cause,
    });
  }
  let value: unknown;
  try {
    value = parse(text, { strict: true, uniqueKeys: true });
  } catch (cause) {
    throw new InvalidInputError(`${path}: not YAML: ${describeError(cause).split('\n')[0] ?? ''}`, { cause });
  }
  return parsePlanFile(value, isName ? `federations/${basename(path)}` : path, overrides);
}

/** Loads the stock of a plan and splits it among holders. Throws InvalidInputError as `loadStock` and `partitionStock`. */
export async function simulate(
  file: PlanFile,
  environment: { readonly checkoutDir: string; readonly cacheDir: string; readonly note: (line: string) => void },
): Promise<Simulation> {
  const dataDir = process.env['FEDCARBON_DATA_DIR'];
  const stock = await loadStock(file.stock.source, { ...environment, dataDir });
  return { file, stock, view: stockView(file.stock), holders: partitionStock(stock.records, partitionSpec(file)) };
}

/** Accuracy on records that no model has seen, pooled over holders. Only a simulation can compute it: in a real federation nobody holds these records together. */
export interface Accuracy {
  readonly r2: number;
  readonly mae: number;
  readonly rmse: number;
}

/** Scores published models on the pooled test records of a simulation. */
export class Evaluation {
  private readonly test: EncodedStock;

  constructor({ view, holders }: Simulation) {
    this.test = encodeStock(
      view,
      holders.flatMap((holder) => holder.test),
    );
  }

  /** Throws InvalidInputError when the model has another shape than the plan. */
  score(plan: FederationPlan, model: Pick<ModelAnswer, 'weights'>): Accuracy {
    const { binsPerFeature, yRange } = plan.recipe;
    const predicted = predict(gamShape(binsPerFeature), Float64Array.from(model.weights), this.test.codes, yRange);
    const { r2, mae, rmse } = metrics(this.test.y, predicted);
    return { r2, mae, rmse };
  }
}
