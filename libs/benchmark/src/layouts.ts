import { OTHER_GROUP } from './layout.ts';
import type { HistogramLayout, Margin } from './layout.ts';

/**
 * Bin edges for embodied carbon of residential buildings, kgCO2e/m2 and year (times 50: 100, 400, 500, 600, 700, 800, 1100 kgCO2e/m2 over 50 years).
 * Published typical residential buildings lie from 400 to 800 over 50 years, and so do limit values such as France's RE2020 (475 to 740): steps of
 * 100 there, and one wide bin on either side. Noise is the same in every cell, so finer bins where few records are cost accuracy and answer nothing.
 * What was tuned: twelve layouts of 4 to 10 bins were compared in simulations on ECEBD itself, and this one taken for how surely it answers the
 * median under local noise. Under distributed noise plans count all records in shifted bins instead.
 */
const ECEBD_EDGES = [2, 8, 10, 12, 14, 16, 22];

/** Bin edges for the heating load of the UCI Energy data, kWh/m2 and year: even steps of 5. */
const UCI_HEATING_EDGES = [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50];

/** The ECEBD release: all residential, and by country, subtype and structure. An empty list leaves its margin out. */
export function ecebdLayout(groups: {
  readonly countries: readonly string[];
  readonly subtypes: readonly string[];
  readonly structures: readonly string[];
}): HistogramLayout {
  return {
    margins: [
      all(ECEBD_EDGES),
      ...partition('country', groups.countries, ECEBD_EDGES),
      ...partition('subtype', groups.subtypes, ECEBD_EDGES),
      ...partition('structure', groups.structures, ECEBD_EDGES),
    ],
  };
}

/** The UCI Energy heating release: all records, and by glazing area (share of the floor area, as text). An empty list leaves the margin out. */
export function uciHeatingLayout(groups: { readonly glazingAreas: readonly string[] }): HistogramLayout {
  return {
    margins: [all(UCI_HEATING_EDGES), ...partition('glazingArea', groups.glazingAreas, UCI_HEATING_EDGES)],
  };
}

/** The margin that counts every record in a single group. */
function all(edges: readonly number[]): Margin {
  return { name: 'all', groups: ['all'], histograms: [edges] };
}

/** One margin with an `other` group for missing and unlisted values; none for no groups, since a margin costs sensitivity. */
function partition(name: string, groups: readonly string[], edges: readonly number[]): Margin[] {
  return groups.length > 0 ? [{ name, groups: [...groups, OTHER_GROUP], histograms: [edges] }] : [];
}
