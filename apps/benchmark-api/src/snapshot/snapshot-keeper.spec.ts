import { describe, expect, it } from '@jest/globals';
import type { PlanScope } from './plan-scope.ts';
import type { Records } from './records.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';

const scope = {
  plan: {
    ...{ name: 'example', simulation: true, stock: { data: { kind: 'private' } } },
    privacy: { epsilon: 1, delta: 1e-5, trust: 'local', secureSum: null },
    regions: [],
  },
  planHash: '00',
} as unknown as PlanScope;
const records = (size: number): Records => ({
  ...{ status: 'open', rounds: [], models: [], releases: [], charges: [], budgets: [] },
  ledger: { size, root: null, checkpoint: null, refusals: new Map() },
});

function keeperOf(changed: () => Promise<Records | undefined>) {
  const lines: string[] = [];
  const log = (_fields: object, message: string) => void lines.push(message);
  const accountant = { epsilonOf: () => ({ epsilon: 0, method: 'exact-lattice' as const, corrections: [] }) };
  const keeper = new SnapshotKeeper({
    scope,
    reader: { changed },
    accountant,
    logger: { warn: log, info: log },
    pollMs: 1e6,
  });
  return { keeper, lines, size: () => keeper.current?.provenance.ledger.size };
}

describe('the keeper of the snapshot', () => {
  it('keeps the last one while the database is away, and complains once', async () => {
    const readings = [() => records(1), down, down, () => undefined, () => records(2)];
    const { keeper, lines, size } = keeperOf(() => Promise.resolve().then(() => readings.shift()?.()));
    expect(size()).toBeUndefined();
    const seen = [];
    for (let look = 0; look < 5; look++) {
      await keeper.refresh();
      seen.push(size());
    }
    expect(seen).toEqual([1, 1, 1, 1, 2]);
    expect(lines).toEqual(['answering from the last snapshot', 'reading the database again']);
  });

  it('looks again when it is told of news during a look', async () => {
    let stored = 1;
    const begun: (() => void)[] = [];
    const { keeper, size } = keeperOf(async () => {
      const found = records(stored);
      await new Promise<void>((resolve) => begun.push(resolve));
      return found;
    });
    const first = keeper.refresh();
    stored = 2;
    const second = keeper.refresh();
    begun.shift()?.();
    await new Promise((done) => setImmediate(done));
    begun.shift()?.();
    await Promise.all([first, second]);
    expect(size()).toBe(2);
    expect(begun).toEqual([]);
  });
});

function down(): never {
  throw new Error('the database is away');
}
