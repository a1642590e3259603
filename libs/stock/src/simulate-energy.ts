import { InvalidInputError } from '@fedcarbon/kernel';
import type { EnergyAttributes, EnergyRecord } from './building-record.ts';
import { SeededRandom } from './seeded-random.ts';

/** The 12 shapes of the published design (Tsanas and Xifara 2012): relative compactness, surface, wall and roof area (m2), height (m). */
const SHAPES = [
  [0.98, 514.5, 294, 110.25, 7],
  [0.9, 563.5, 318.5, 122.5, 7],
  [0.86, 588, 294, 147, 7],
  [0.82, 612.5, 318.5, 147, 7],
  [0.79, 637, 343, 147, 7],
  [0.76, 661.5, 416.5, 122.5, 7],
  [0.74, 686, 245, 220.5, 3.5],
  [0.71, 710.5, 269.5, 220.5, 3.5],
  [0.69, 735, 294, 220.5, 3.5],
  [0.66, 759.5, 318.5, 220.5, 3.5],
  [0.64, 784, 343, 220.5, 3.5],
  [0.62, 808.5, 367.5, 220.5, 3.5],
] as const;
const ORIENTATIONS = [2, 3, 4, 5] as const;
/** 16 glazings: none, and three areas in five distributions. */
const GLAZINGS: readonly (readonly [ratio: number, distribution: number])[] = [
  [0, 0],
  ...[0.1, 0.25, 0.4].flatMap((ratio) => [1, 2, 3, 4, 5].map((distribution) => [ratio, distribution] as const)),
];

const VOLUME_M3 = 771.75; // the same for all shapes
const STOREY_M = 3.5;
// W/m2K, as stated for the published simulations.
const U_WALL = 1.78;
const U_WINDOW = 2.26;
const U_ROOF = 0.5;
const U_FLOOR = 0.86;
// Assumptions of this simulation: degree hours of a mild climate (kKh), half an air change per hour at 0.34 Wh/m3K, gains (kWh/m2).
const HEATING_KKH = 9;
const COOLING_KKH = 4;
const VENTILATION_W_PER_K = 0.5 * 0.34 * VOLUME_M3;
const INTERNAL_GAIN_KWH_PER_M2 = 8;
/** Solar gain of vertical glazing over a season (kWh/m2 of glass) by facade: north, east, south, west. */
const SOLAR_HEATING = [40, 70, 120, 70] as const;
const SOLAR_COOLING = [60, 110, 90, 115] as const;
const GAIN_SHARE = 0.5; // of solar gains that reach the balance
const SD_LOG_NOISE = 0.04;

/**
 * Draws UCI Energy's factorial design (12 shapes x 4 orientations x 16 glazings, 768 records) with loads from a one-zone seasonal heat balance and 4 % lognormal variation.
 * For use where the published file is absent: every record says `simulated`, and its loads are not the published ones. Throws InvalidInputError unless `seed` is an integer.
 */
export function simulateEnergy({ seed }: { seed: number }): EnergyRecord[] {
  if (!Number.isSafeInteger(seed)) throw new InvalidInputError(`the seed is ${seed}; give an integer`);
  const random = new SeededRandom(seed);
  const designs = SHAPES.flatMap(([relativeCompactness, surfaceAreaM2, wallAreaM2, roofAreaM2, overallHeightM]) =>
    GLAZINGS.flatMap(([glazingAreaRatio, glazingDistribution]) =>
      ORIENTATIONS.map((orientation) => ({
        ...{ relativeCompactness, surfaceAreaM2, wallAreaM2, roofAreaM2, overallHeightM },
        ...{ orientation, glazingAreaRatio, glazingDistribution },
      })),
    ),
  );
  return designs.map((attributes, i) => ({
    dataset: 'uci-energy',
    id: `simulated-${String(i + 1).padStart(3, '0')}`,
    dataPartner: null,
    attributes,
    outcomes: {
      heatingLoadKwhPerM2: heatingLoad(attributes) * random.lognormal(SD_LOG_NOISE),
      coolingLoadKwhPerM2: coolingLoad(attributes) * random.lognormal(SD_LOG_NOISE),
    },
    scope: null,
    simulated: true,
  }));
}

/** Floor area, losses in W/K and glazing in m2 of a design. */
function balance(a: EnergyAttributes) {
  const floorM2 = VOLUME_M3 / STOREY_M;
  const glassM2 = a.glazingAreaRatio * floorM2;
  const envelope = U_WALL * (a.wallAreaM2 - glassM2) + U_WINDOW * glassM2 + (U_ROOF + U_FLOOR) * a.roofAreaM2;
  return { floorM2, glassM2, lossWPerK: envelope + VENTILATION_W_PER_K };
}

/** Gain per m2 of glass: 55 % on one facade and 15 % on each other, or 25 % on each (the published distributions), turned by the orientation. */
function solarGain({ glazingDistribution, orientation }: EnergyAttributes, byFacade: readonly number[]): number {
  return byFacade.reduce((sum, gain, facade) => {
    const side = (facade - (orientation - 2) + 4) % 4;
    const share = glazingDistribution < 2 ? 0.25 : side === glazingDistribution - 2 ? 0.55 : 0.15;
    return sum + share * gain;
  }, 0);
}

function heatingLoad(a: EnergyAttributes): number {
  const { floorM2, glassM2, lossWPerK } = balance(a);
  const gain = (GAIN_SHARE * glassM2 * solarGain(a, SOLAR_HEATING)) / floorM2;
  return Math.max(1, (lossWPerK * HEATING_KKH) / floorM2 - gain - INTERNAL_GAIN_KWH_PER_M2);
}

function coolingLoad(a: EnergyAttributes): number {
  const { floorM2, glassM2, lossWPerK } = balance(a);
  const gain = (GAIN_SHARE * glassM2 * solarGain(a, SOLAR_COOLING)) / floorM2;
  return (lossWPerK * COOLING_KKH) / floorM2 + gain + INTERNAL_GAIN_KWH_PER_M2;
}
