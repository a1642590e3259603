import { OTHER_GROUP } from './layout.ts';
import type { HistogramLayout, Margin } from './layout.ts';

/** The single group of the margin that counts every record. */
const ALL: Margin = { name: 'all', groups: ['all'] };

/**
 * Bin edges for embodied carbon of residential buildings, kgCO2e/m2 and year (times 50: 100, 300, 400, ... 800, 1100 kgCO2e/m2 over 50 years).
 * Steps of 100 over 50 years from 300 to 800, where limit values and published typical figures lie (Denmark BR18: 5.4 to 7.1 per year; France
 * RE2020: 475 to 740 over 50 years; typical residential: 400 to 800), and one wide bin on either side: noise is the same in every cell, so finer
 * bins where few records are would cost accuracy and answer nothing.
 */
const ECEBD_EDGES = [2, 6, 8, 10, 12, 14, 16, 22];

/** Bin edges for the heating load of the UCI Energy data, kWh/m2 and year: even steps of 5. */
const UCI_HEATING_EDGES = [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50];

/** The ECEBD release: all residential, and by country, subtype and structure. An empty list leaves its margin out. */
export function ecebdLayout(groups: {
  readonly countries: readonly string[];
  readonly subtypes: readonly string[];
  readonly structures: readonly string[];
}): HistogramLayout {
  return {
    edges: ECEBD_EDGES,
    margins: [
      ALL,
      ...partition('country', groups.countries),
      ...partition('subtype', groups.subtypes),
      ...partition('structure', groups.structures),
    ],
  };
}

/** The UCI Energy heating release: all records, and by glazing area (share of the floor area, as text). An empty list leaves the margin out. */
export function uciHeatingLayout(groups: { readonly glazingAreas: readonly string[] }): HistogramLayout {
  return { edges: UCI_HEATING_EDGES, margins: [ALL, ...partition('glazingArea', groups.glazingAreas)] };
}

/** One margin with an `other` group for missing and unlisted values; none for no groups, since a margin costs sensitivity. */
function partition(name: string, groups: readonly string[]): Margin[] {
  return groups.length > 0 ? [{ name, groups: [...groups, OTHER_GROUP] }] : [];
}
