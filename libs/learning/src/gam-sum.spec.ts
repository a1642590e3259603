import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { InvalidInputError, type RandomSource } from '@fedcarbon/kernel';
import fc from 'fast-check';
import {
  advance,
  type EncodedStock,
  finalWeights,
  gamShape,
  type GamHyperparameters,
  type GamState,
  initialState,
  localSum,
  MOMENTUM,
  predict,
  RESIDUAL_SCALE,
  stepSize,
  STEP_CAP,
  STEP_KAPPA,
} from './index.ts';

interface Part {
  codes: number[][];
  y: number[];
}
interface Vector {
  name: string;
  input: {
    binsPerFeature: number[];
    yRange: [number, number];
    T: number;
    R: number;
    momentum: number;
    train: Part;
    roundingDraws: number[][];
    noise?: number[][];
    nominalRecords?: number;
  };
  output: { lr: number; sums: number[][]; iterates: number[][]; weights: number[]; predictions: number[] };
}
interface StepRule {
  nominalRecords: number;
  features: number;
  rounds: number;
  sigmaOfSum: number;
  lr: number;
}
/** Written by tools/reference/make_vectors.py from the Python reference. */
const VECTORS = JSON.parse(readFileSync(new URL('../vectors/gam-sum.json', import.meta.url), 'utf8')) as {
  cases: Vector[];
  stepRules: StepRule[];
};

/** A source whose bytes are these draws, multiples of 2^-53: the upper 53 bits of 8 big-endian bytes each. Refuses to be asked for more. */
function fixedDraws(draws: readonly number[]): RandomSource {
  let taken = 0;
  return {
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < length; at += 8) {
        const draw = draws[taken++];
        if (draw === undefined) throw new Error('more draws asked for than given');
        // The lower 11 bits are not used; ones there would show if they were.
        view.setBigUint64(at, (BigInt(draw * 2 ** 53) << 11n) | 0x7ffn);
      }
      return bytes;
    },
  };
}

function encoded({ codes, y }: Part, binsPerFeature: readonly number[]): EncodedStock {
  return { shape: gamShape(binsPerFeature), codes: Uint16Array.from(codes.flat()), y: Float64Array.from(y) };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a).toHaveLength(b.length);
  return Math.max(0, ...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? NaN))));
}

describe.each(VECTORS.cases)('gam-sum against the Python reference: $name', ({ input, output }) => {
  const stock = encoded(input.train, input.binsPerFeature);
  const parameters = { yRange: input.yRange, residualScale: input.R };

  it('has the same sums in every round, and the same iterates, weights and predictions to 1e-9', () => {
    let state = initialState(stock.shape.p);
    for (let t = 0; t < input.T; t++) {
      const sum = localSum(stock, state.weights, parameters, fixedDraws(input.roundingDraws[t] ?? []));
      const aggregate = sum.map((value, j) => value + (input.noise?.[t]?.[j] ?? 0));
      expect([...aggregate]).toEqual(output.sums[t]);
      state = advance(state, aggregate, {
        rounds: input.T,
        nominalRecords: input.nominalRecords ?? stock.y.length,
        momentum: input.momentum,
        learningRate: output.lr,
      });
      expect(largestDifference(state.weights, output.iterates[t] ?? [])).toBeLessThan(1e-9);
    }
    const weights = finalWeights(state);
    expect(largestDifference(weights, output.weights)).toBeLessThan(1e-9);
    const predictions = predict(stock.shape, weights, stock.codes, input.yRange);
    expect(largestDifference(predictions, output.predictions)).toBeLessThan(1e-9);
  });
});

describe('stepSize', () => {
  it.each(VECTORS.stepRules)('follows the reference: %j', ({ nominalRecords, features, rounds, sigmaOfSum, lr }) => {
    const rate = stepSize({ nominalRecords, features, rounds, sigmaOfSum, kappa: STEP_KAPPA, cap: STEP_CAP });
    expect(Math.abs(rate / lr - 1)).toBeLessThan(1e-12);
  });

  it('takes the cap without noise, and half the step for twice the noise', () => {
    const inputs = { nominalRecords: 644, features: 6, rounds: 25, kappa: STEP_KAPPA, cap: STEP_CAP };
    expect(stepSize({ ...inputs, sigmaOfSum: 0 })).toBe(STEP_CAP / 6);
    const [once, twice] = [200, 400].map((sigmaOfSum) => stepSize({ ...inputs, sigmaOfSum }));
    expect(once).toBeLessThan(STEP_CAP / 6);
    expect((once ?? 0) / (twice ?? 0)).toBeCloseTo(2, 12);
  });

  it('refuses what is not public arithmetic', () => {
    const inputs = { nominalRecords: 644, features: 6, rounds: 25, sigmaOfSum: 200, kappa: 0.04, cap: 0.5 };
    for (const key of ['nominalRecords', 'features', 'rounds', 'kappa', 'cap']) {
      expect(() => stepSize({ ...inputs, [key]: 0 })).toThrow(`positive ${key}, found 0`);
    }
    expect(() => stepSize({ ...inputs, sigmaOfSum: -1 })).toThrow(/at least 0, found -1/);
    expect(() => stepSize({ ...inputs, sigmaOfSum: NaN })).toThrow(InvalidInputError);
  });
});

/** The reference once more, record by record, as a person would write it down. Stops after `draws.length` rounds. */
function slowTrain(part: Part, bins: number[], noise: number[][], draws: number[][], h: GamHyperparameters): number[] {
  const offset = (feature: number): number => bins.slice(0, feature).reduce((sum, count) => sum + count, 0);
  const p = offset(bins.length);
  const w = new Array<number>(p).fill(0);
  const v = new Array<number>(p).fill(0);
  const second: number[][] = [];
  draws.forEach((drawsOfRound, t) => {
    const S = [...(noise[t] ?? [])];
    const changes = part.codes.map((codes, i) => {
      const used = codes.map((code, a) => offset(a) + code);
      const prediction = 7 + 10 * used.reduce((sum, j) => sum + (w[j] ?? NaN), 0);
      const scaled = (prediction - (part.y[i] ?? NaN)) / 10 / RESIDUAL_SCALE;
      const clipped = scaled > 1 ? 1 : scaled < -1 ? -1 : scaled;
      const k = Math.floor(clipped + (drawsOfRound[i] ?? NaN));
      return { used, k: k > 1 ? 1 : k };
    });
    for (const { used, k } of changes) for (const j of used) S[j] = (S[j] ?? NaN) + k;
    for (let j = 0; j < p; j++) {
      v[j] = h.momentum * (v[j] ?? NaN) + (S[j] ?? NaN) / h.nominalRecords;
      w[j] = (w[j] ?? NaN) - h.learningRate * (v[j] ?? NaN);
    }
    if (t >= Math.floor(h.rounds / 2)) second.push([...w]);
  });
  return second.length === 0 ? w : w.map((_, j) => second.reduce((sum, it) => sum + (it[j] ?? NaN), 0) / second.length);
}

const YRANGE = [2, 12] as const;
const PARAMETERS = { yRange: YRANGE, residualScale: RESIDUAL_SCALE };
/** Also draws of 0 and 1 - 2^-53. */
const draw = fc.double({ min: 0, max: 1 - 2 ** -53, noNaN: true }).map((u) => Math.floor(u * 2 ** 53) / 2 ** 53);

const federation = fc
  .record({
    bins: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
    records: fc.integer({ min: 0, max: 12 }),
    rounds: fc.integer({ min: 1, max: 6 }),
  })
  .chain(({ bins, records, rounds }) => {
    const exactly = <T>(item: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
      fc.array(item, { minLength: length, maxLength: length });
    const p = bins.reduce((sum, count) => sum + count, 0);
    return fc.record({
      bins: fc.constant(bins),
      codes: exactly(fc.tuple(...bins.map((count) => fc.integer({ min: 0, max: count - 1 }))), records),
      y: exactly(fc.double({ min: 0, max: 14, noNaN: true }), records),
      rounds: fc.constant(rounds),
      roundsRun: fc.integer({ min: 0, max: rounds }),
      draws: exactly(exactly(draw, records), rounds),
      noise: exactly(exactly(fc.integer({ min: -20, max: 20 }), p), rounds),
      nominalRecords: fc.integer({ min: 1, max: 20 }),
      learningRate: fc.double({ min: 1e-3, max: 0.5, noNaN: true }),
      weights: exactly(fc.double({ min: -1, max: 1, noNaN: true }), p),
    });
  });

describe('gam-sum against its slow transliteration', () => {
  it('agrees to 1e-9 on small stocks split among two holders, also when training ends early', () => {
    fc.assert(
      fc.property(federation, fc.nat(12), ({ bins, codes, y, draws, noise, roundsRun, ...plan }, cut) => {
        const hyperparameters = { ...plan, momentum: MOMENTUM };
        const holders = [0, 1].map((k) => ({
          stock: encoded(
            { codes: k ? codes.slice(cut) : codes.slice(0, cut), y: k ? y.slice(cut) : y.slice(0, cut) },
            bins,
          ),
          draws: draws.map((list) => (k ? list.slice(cut) : list.slice(0, cut))),
        }));
        let state: GamState = initialState(gamShape(bins).p);
        for (let t = 0; t < roundsRun; t++) {
          const [a, b] = holders.map((h) => localSum(h.stock, state.weights, PARAMETERS, fixedDraws(h.draws[t] ?? [])));
          const aggregate = (noise[t] ?? []).map((value, j) => value + (a?.[j] ?? NaN) + (b?.[j] ?? NaN));
          state = advance(state, aggregate, hyperparameters);
        }
        const slow = slowTrain({ codes, y }, bins, noise, draws.slice(0, roundsRun), hyperparameters);
        expect(largestDifference(finalWeights(state), slow)).toBeLessThan(1e-9);
      }),
      { numRuns: 200 },
    );
  });
});

describe('localSum', () => {
  it('moves by one record exactly d distinct coordinates, all by the same k in {-1, 0, 1}: L2 sensitivity sqrt(d)', () => {
    fc.assert(
      fc.property(
        federation.filter(({ codes }) => codes.length > 0),
        ({ bins, codes, y, draws, weights }) => {
          const sumOf = (records: number): Int32Array =>
            localSum(
              encoded({ codes: codes.slice(0, records), y: y.slice(0, records) }, bins),
              Float64Array.from(weights),
              PARAMETERS,
              fixedDraws(draws[0] ?? []),
            );
          const [without, with_] = [sumOf(codes.length - 1), sumOf(codes.length)];
          const difference = Array.from(with_, (value, j) => value - (without[j] ?? NaN));
          const k = Math.max(...difference) || Math.min(...difference);
          expect([-1, 0, 1]).toContain(k);
          expect(difference.filter((change) => change !== 0)).toEqual(new Array(k === 0 ? 0 : bins.length).fill(k));
        },
      ),
    );
  });

  it('attains sqrt(d): a residual beyond the clip counts fully, with any draw', () => {
    const weights = Float64Array.of(0, 0, 0);
    for (const u of [0, 0.5, 1 - 2 ** -53]) {
      const sum = (y: number): number[] => [
        ...localSum(encoded({ codes: [[1, 0]], y: [y] }, [2, 1]), weights, PARAMETERS, fixedDraws([u])),
      ];
      expect(sum(12)).toEqual([0, -1, -1]);
      expect(sum(2)).toEqual([0, 1, 1]);
    }
  });

  it('rounds without bias: the sum over an even grid of draws is the clipped residual', () => {
    const draws = Array.from({ length: 64 }, (_, i) => i / 64);
    for (const sixteenths of [-16, -5, 0, 3, 11, 16]) {
      const y = 7 - ((10 * RESIDUAL_SCALE) / 16) * sixteenths - 1e-9;
      const records = { codes: draws.map(() => [0]), y: draws.map(() => y) };
      const [sum] = localSum(encoded(records, [1]), Float64Array.of(0), PARAMETERS, fixedDraws(draws));
      expect(sum).toBe(4 * sixteenths);
    }
  });

  it('is zero, and draws nothing, without records', () => {
    const stock = encoded({ codes: [], y: [] }, [3, 2]);
    expect([...localSum(stock, new Float64Array(5), PARAMETERS, fixedDraws([]))]).toEqual([0, 0, 0, 0, 0]);
  });

  it('refuses a code beyond its feature, which would break the sensitivity, and figures that are not finite', () => {
    const refused =
      (part: Part, weights = new Float64Array(5)): (() => void) =>
      () =>
        localSum(encoded(part, [3, 2]), weights, PARAMETERS, fixedDraws(part.y.map(() => 0)));
    expect(refused({ codes: [[0, 0], [3, 1]], y: [5, 5] })).toThrow(/record 1 has code 3 for feature 0, which has 3 bins/); // prettier-ignore
    expect(refused({ codes: [[0, 0]], y: [NaN] })).toThrow(/target of record 0 is not a finite number/);
    expect(refused({ codes: [[0, 0]], y: [5] }, Float64Array.of(0, 0, Infinity, 0, 0))).toThrow(
      /found Infinity at index 2/,
    );
    expect(refused({ codes: [[0, 0]], y: [5] }, new Float64Array(4))).toThrow(/must hold 5 numbers, found 4/);
    expect(refused({ codes: [[0, 0]], y: [5, 5] })).toThrow(/need 4 codes, found 2/);
  });

  it('refuses an unusable residual scale or y-range', () => {
    const stock = encoded({ codes: [], y: [] }, [1]);
    for (const residualScale of [0, -1, NaN, Infinity]) {
      expect(() => localSum(stock, new Float64Array(1), { yRange: YRANGE, residualScale }, fixedDraws([]))).toThrow(
        /residual scale must be positive/,
      );
    }
    expect(() => localSum(stock, new Float64Array(1), { yRange: [5, 5], residualScale: 1 }, fixedDraws([]))).toThrow(
      /finite lo < hi, found \[5, 5\]/,
    );
  });
});

describe('the descent', () => {
  const hyperparameters = { rounds: 5, nominalRecords: 10, momentum: 0.5, learningRate: 1 };

  it('leaves the given state as it was', () => {
    const first = advance(initialState(1), [10], hyperparameters);
    const copy = structuredClone(first);
    advance(advance(advance(first, [3], hyperparameters), [1], hyperparameters), [2], hyperparameters);
    expect(first).toEqual(copy);
  });

  it('averages from round floor(T / 2) on, so far as it got', () => {
    // By hand: v = 1, 0.5, 0.25, ...; w = -1, -1.5, -1.75, -1.875, -1.9375; the average begins with the third iterate.
    const aggregates = [10, 0, 0, 0, 0];
    const after = (rounds: number): number[] => [
      ...finalWeights(
        aggregates.slice(0, rounds).reduce((state, S) => advance(state, [S], hyperparameters), initialState(1)),
      ),
    ];
    expect([0, 1, 2, 3, 4, 5].map(after)).toEqual(
      [0, -1, -1.5, -1.75, (-1.75 - 1.875) / 2, (-1.75 - 1.875 - 1.9375) / 3].map((weight) => [weight]),
    );
  });

  it('refuses a round too many, a wrong length, and unusable hyperparameters', () => {
    const one = { ...hyperparameters, rounds: 1 };
    expect(() => advance(advance(initialState(1), [0], one), [0], one)).toThrow(/round 1 is beyond the 1 planned/);
    expect(() => advance(initialState(2), [0], one)).toThrow(/must hold 2 numbers, found 1/);
    expect(() => advance(initialState(1), [NaN], one)).toThrow(/must be finite, found NaN/);
    expect(() => initialState(0)).toThrow(InvalidInputError);
    for (const wrong of [{ rounds: 0 }, { nominalRecords: 0 }, { momentum: 1 }, { learningRate: 0 }]) {
      expect(() => advance(initialState(1), [0], { ...one, ...wrong })).toThrow(/, found [01]$/);
    }
  });
});

describe('gamShape', () => {
  it('lays feature after feature', () => {
    expect(gamShape([4, 6, 3])).toEqual({ binsPerFeature: [4, 6, 3], offsets: [0, 4, 10], p: 13, d: 3 });
  });

  it.each([[[]], [[3, 0]], [[2.5]], [[65537]]])('refuses %j', (bins) => {
    expect(() => gamShape(bins)).toThrow(InvalidInputError);
  });
});
