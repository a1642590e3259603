import { readEcebd, readUciEnergy, simulateEnergy, simulateStock } from '@fedcarbon/stock';
import type { BuildingRecord, DatasetName, StockReading } from '@fedcarbon/stock';
import { ARTEFACTS } from './artefact.ts';
import { locateDataset } from './locate-dataset.ts';
import type { DatasetEnvironment } from './locate-dataset.ts';

/** A stock ready for a simulation, and where it comes from. */
export interface LoadedStock extends StockReading {
  readonly dataset: DatasetName;
  /** The published file by its digest, or the seed of a simulated stock: then every output must say so, the figures are not those of the published data. */
  readonly data:
    { readonly kind: 'published'; readonly sha256: string } | { readonly kind: 'simulated'; readonly seed: number };
  /** One sentence for people: source, licence and citation, or why and how the stock was simulated. */
  readonly provenance: string;
}

// The size of the published residential stock, to the ten; seed and size are part of the provenance.
const SIMULATED_RECORDS = 640;
const SIMULATION_SEED = 42;

/**
 * The stock of a data set: the published file where `locateDataset` finds it, else a simulated one (the same in every run).
 * Throws InvalidInputError as `locateDataset`, and when a verified file cannot be read.
 */
export async function loadStock(dataset: DatasetName, environment: DatasetEnvironment): Promise<LoadedStock> {
  const located = await locateDataset(dataset, environment);
  if (!located.simulated) {
    const { title, licence, citation } = ARTEFACTS[dataset];
    const reading = dataset === 'ecebd' ? readEcebd(located.text) : readUciEnergy(located.text);
    const provenance = `${title}, ${citation}, ${licence}; read from ${located.path}`;
    return { dataset, data: { kind: 'published', sha256: located.sha256 }, provenance, ...reading };
  }
  const records: BuildingRecord[] =
    dataset === 'ecebd'
      ? simulateStock({ records: SIMULATED_RECORDS, seed: SIMULATION_SEED })
      : simulateEnergy({ seed: SIMULATION_SEED });
  const provenance = `SIMULATED (${records.length} records, seed ${SIMULATION_SEED}): ${located.reason}`;
  const data = { kind: 'simulated' as const, seed: SIMULATION_SEED };
  return { dataset, data, provenance, records, rejected: {}, rows: records.length };
}
