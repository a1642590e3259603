import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import type { HistogramLayout } from './index.ts';
import { countRecords, estimatePercentiles, positionOf } from './index.ts';

const edges = [0, 10, 20, 30, 40];
const layout: HistogramLayout = { margins: [{ name: 'all', groups: ['all'], histograms: [edges] }] };
const records = Array.from({ length: 1000 }, (_, i) => ({ y: 5 + (30 * (i + 0.5)) / 1000, groups: {} }));
const estimate = estimatePercentiles({
  layout,
  noisyCounts: countRecords(layout, records),
  noiseSd: 20,
  nominalRecords: 1000,
  segment: { margin: 'all', group: 'all' },
});
const values = Array.from({ length: 81 }, (_, i) => i / 2);

describe('positionOf', () => {
  it('is the inverse of the percentiles', () => {
    for (const { level, value } of estimate.percentiles) {
      expect(Math.abs(positionOf(value, estimate).percentile - level)).toBeLessThan(0.02);
    }
  });

  it('has intervals that are the inverse of the percentiles intervals', () => {
    for (const { level, low, high } of estimate.percentiles) {
      expect(Math.abs(positionOf(low, estimate).high - level)).toBeLessThan(0.03);
      expect(Math.abs(positionOf(high, estimate).low - level)).toBeLessThan(0.03);
    }
  });

  it('rises with the value, from 0 to 1', () => {
    const shares = values.map((value) => positionOf(value, estimate).percentile);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBeCloseTo(1, 9);
  });

  it('passes the bands in order, undecided where the interval straddles a limit', () => {
    const bands = values.map((value) => positionOf(value, estimate).band);
    const passages = bands.filter((band, i) => band !== bands[i - 1]);
    expect(passages).toEqual(['green', 'undecided', 'amber', 'undecided', 'red']);
    for (const value of values) {
      const { low, high, band } = positionOf(value, estimate);
      const straddles = (low <= 0.2 && high > 0.2) || (low <= 0.8 && high > 0.8);
      expect(band === 'undecided').toBe(straddles);
    }
  });

  it('gives probabilities of the bands that sum to 1 and agree with a decided band', () => {
    for (const value of values) {
      const { band, probabilities } = positionOf(value, estimate);
      expect(probabilities.green + probabilities.amber + probabilities.red).toBeCloseTo(1, 9);
      if (band !== 'undecided') expect(probabilities[band]).toBeGreaterThan(0.9);
    }
  });

  it('places a value beyond the range at its end', () => {
    expect(positionOf(-3, estimate)).toEqual(positionOf(0, estimate));
    expect(positionOf(99, estimate)).toEqual(positionOf(40, estimate));
  });

  it('decides nothing from a release that says nothing', () => {
    const vague = estimatePercentiles({
      layout: { margins: [{ name: 'country', groups: ['DK', 'other'], histograms: [edges] }] },
      noisyCounts: new Int32Array(8),
      noiseSd: 20,
      nominalRecords: 1000,
      segment: { margin: 'country', group: 'DK' },
    });
    for (const value of values) expect(positionOf(value, vague)).toMatchObject({ low: 0, high: 1, band: 'undecided' });
  });

  it('refuses what is not a number', () => {
    expect(() => positionOf(NaN, estimate)).toThrow(InvalidInputError);
    expect(() => positionOf(1, { distribution: [] })).toThrow(InvalidInputError);
  });
});
