import type { FederationPlan, StockData } from '@fedcarbon/contracts';
import { describe, expect, it } from '@jest/globals';
import { indexPage } from './pages.ts';

const pageOf = (data: StockData, simulation: boolean) =>
  indexPage({
    ...{ name: 'example', simulation, regions: [] },
    stock: { target: 'embodied-carbon', unit: 'kgCO2e/m2/yr', data },
    privacy: { epsilon: 1, delta: 1e-5, trust: 'local', secureSum: null },
  } as unknown as FederationPlan);

describe('the first page', () => {
  it.each<[StockData, boolean, string]>([
    [{ kind: 'simulated', seed: 42 }, true, '<strong>The records are simulated</strong> (seed 42)'],
    [{ kind: 'published', sha256: 'ab'.repeat(32) }, true, `published file (SHA-256 <code>${'ab'.repeat(32)}</code>)`],
    [{ kind: 'private' }, false, "The records are the holders' own."],
  ])('says where the records come from: %j', (data, simulation, sentence) => {
    const page = pageOf(data, simulation);
    expect(page).toContain(sentence);
    expect(page.includes('The records are simulated')).toBe(data.kind === 'simulated');
    expect(page.includes('This federation is a simulation')).toBe(simulation);
  });
});
