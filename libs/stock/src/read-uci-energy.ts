import { InvalidInputError } from '@fedcarbon/kernel';
import type { EnergyAttributes, EnergyRecord } from './building-record.ts';
import { encode } from './encoding.ts';
import { PLAUSIBLE_LOAD, readRows } from './reading.ts';
import type { Row, StockReading } from './reading.ts';
import { UCI_ENERGY_SCHEMA } from './schemas.ts';

/** Attributes of a row whose column for attribute `name` is `columnOf(name)`; rejects the row when a value is missing or not a level of the design. */
export function energyAttributes(row: Row, columnOf: (name: keyof EnergyAttributes) => string): EnergyAttributes {
  const value = (name: keyof EnergyAttributes) => row.quantity(columnOf(name)) ?? row.reject('missing_attribute');
  const attributes: EnergyAttributes = {
    relativeCompactness: value('relativeCompactness'),
    surfaceAreaM2: value('surfaceAreaM2'),
    wallAreaM2: value('wallAreaM2'),
    roofAreaM2: value('roofAreaM2'),
    overallHeightM: value('overallHeightM'),
    orientation: value('orientation'),
    glazingAreaRatio: value('glazingAreaRatio'),
    glazingDistribution: value('glazingDistribution'),
  };
  try {
    encode({ attributes }, UCI_ENERGY_SCHEMA);
  } catch (error) {
    if (error instanceof InvalidInputError && error.code === 'unknown_level') row.reject('unknown_level');
    throw error;
  }
  return attributes;
}

/**
 * Reads UCI Energy Efficiency, `ENB2012_data.csv` (Tsanas and Xifara 2012; archive.ics.uci.edu, data set 242). The file has no ids: a record's id is its row number.
 * Throws InvalidInputError when the text is not that file.
 */
export function readUciEnergy(text: string): StockReading<EnergyRecord> {
  const columns = new Map(UCI_ENERGY_SCHEMA.features.map(({ name, column }) => [name, column]));
  return readRows(text, [...columns.values(), 'Y1', 'Y2'], (row) => ({
    dataset: 'uci-energy',
    id: `shape-${String(row.number).padStart(3, '0')}`,
    dataPartner: null,
    attributes: energyAttributes(row, (name) => columns.get(name) ?? name),
    outcomes: {
      heatingLoadKwhPerM2: row.outcome('Y1', PLAUSIBLE_LOAD),
      coolingLoadKwhPerM2: row.outcome('Y2', PLAUSIBLE_LOAD),
    },
    scope: null,
    simulated: false,
  }));
}
