import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { factor, inverseDiagonal, solve } from './cholesky.ts';
import {
  type EncodedStock,
  fitResidual,
  gamShape,
  predictWithResidual,
  residualBytes,
  residualFromBytes,
  RESIDUAL_GRID,
  type ResidualGrid,
} from './index.ts';

const DIGEST = 'ab'.repeat(32);
const Y_RANGE = [0, 20] as const;
const fit = (stock: EncodedStock, predictions: Float64Array, grid: ResidualGrid = RESIDUAL_GRID) =>
  fitResidual(stock, predictions, { yRange: Y_RANGE, globalDigest: DIGEST, grid });

/** Gauss-Jordan with pivoting: M^-1 and det M, as a person would do it. */
function slowInverse(matrix: readonly (readonly number[])[]): { inverse: number[][]; determinant: number } {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  let determinant = 1;
  for (let c = 0; c < n; c++) {
    const pivot = rows
      .map((row, r) => ({ r, size: r < c ? -1 : Math.abs(row[c] ?? NaN) }))
      .reduce((a, b) => (b.size > a.size ? b : a)).r;
    if (pivot !== c) {
      [rows[c], rows[pivot]] = [rows[pivot] ?? [], rows[c] ?? []];
      determinant *= -1;
    }
    const lead = rows[c]?.[c] ?? NaN;
    determinant *= lead;
    rows[c] = (rows[c] ?? []).map((value) => value / lead);
    rows.forEach((row, r) => {
      const factorOfRow = row[c] ?? NaN;
      if (r !== c) rows[r] = row.map((value, j) => value - factorOfRow * (rows[c]?.[j] ?? NaN));
    });
  }
  return { inverse: rows.map((row) => row.slice(n)), determinant };
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? NaN), 0);

describe('factor', () => {
  it('solves, inverts and takes determinants as Gauss-Jordan does', () => {
    const inputs = fc.integer({ min: 1, max: 7 }).chain((n) =>
      fc.tuple(
        fc.array(fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: n, maxLength: n }), {
          minLength: n,
          maxLength: n,
        }),
        fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: n, maxLength: n }),
      ),
    );
    fc.assert(
      fc.property(inputs, ([a, r]) => {
        const matrix = a.map((row, i) => a.map((other, j) => dot(row, other) + (i === j ? 1 : 0)));
        const { inverse, determinant } = slowInverse(matrix);
        const factored = factor(Float64Array.from(matrix.flat()), r.length);
        const { x, quadratic } = solve(factored, Float64Array.from(r));
        const expected = inverse.map((row) => dot(row, r));
        expected.forEach((value, i) => {
          expect(x[i]).toBeCloseTo(value, 8);
        });
        expect(quadratic).toBeCloseTo(dot(expected, r), 8);
        expect(factored.logDeterminant).toBeCloseTo(Math.log(determinant), 8);
        inverseDiagonal(factored).forEach((value, i) => {
          expect(value).toBeCloseTo(inverse[i]?.[i] ?? NaN, 8);
        });
      }),
    );
  });
});

/** One kernel, no prior for anything else, no averaging: plain kernel ridge regression of the residuals. */
const PLAIN: ResidualGrid = {
  ...RESIDUAL_GRID,
  similarities: [Math.exp(-0.2)],
  additiveShare: 0,
  signalToNoise: [1],
  trusts: [{ trust: 1, prior: 1 }],
  priorOfNone: 0,
};

/** Holders whose outcome depends on a pair of features in a way that no additive model can follow. */
const holder = fc
  .record({
    codes: fc.array(fc.tuple(fc.nat(2), fc.nat(1), fc.nat(3)), { minLength: 5, maxLength: 20 }),
    effect: fc.double({ min: 1, max: 4, noNaN: true }),
    noise: fc.array(fc.double({ min: -0.5, max: 0.5, noNaN: true }), { minLength: 20, maxLength: 20 }),
  })
  .map(({ codes, effect, noise }) => ({
    stock: {
      shape: gamShape([3, 2, 4]),
      codes: Uint16Array.from(codes.flat()),
      y: Float64Array.from(codes, ([a, b], i) => 10 + (a === b ? effect : -effect) + (noise[i] ?? 0)),
    },
    predictions: Float64Array.from(codes, (_, i) => 10 + (noise[19 - (i % 20)] ?? 0)),
  }));

function plainKernelRidge(train: number[][], residuals: number[], query: number[]): number {
  const kernel = (a: number[], b: number[]) =>
    Math.exp(-0.1 * a.reduce((sum, value, f) => sum + (value === b[f] ? 0 : 2), 0));
  const matrix = train.map((a, i) => train.map((b, j) => kernel(a, b) + (i === j ? 1 : 0)));
  const dual = slowInverse(matrix).inverse.map((row) => dot(row, residuals));
  return dot(
    dual,
    train.map((a) => kernel(a, query)),
  );
}

const rows = (codes: Uint16Array, d: number) =>
  Array.from({ length: codes.length / d }, (_, i) => [...codes.subarray(i * d, (i + 1) * d)]);

describe('fitResidual', () => {
  it('is kernel ridge (rbf of one-hot codes, alpha 1, gamma 0.1) when the grid holds nothing else, and validates by leaving one out', () => {
    fc.assert(
      fc.property(holder, ({ stock, predictions }) => {
        const { model, validation } = fit(stock, predictions, PLAIN);
        const train = rows(stock.codes, 3);
        const residuals = [...stock.y].map((y, i) => y - (predictions[i] ?? NaN));
        const errors = train.map((query, i) => {
          const without = <T>(list: T[]) => list.filter((_, j) => j !== i);
          return (residuals[i] ?? NaN) - plainKernelRidge(without(train), without(residuals), query);
        });
        expect(validation.ownRmse).toBeCloseTo(Math.sqrt(dot(errors, errors) / errors.length), 8);
        const kept = (validation.used ? errors : residuals).toSorted((a, b) => a - b);
        kept.forEach((error, i) => {
          expect(model.errors[i]).toBeCloseTo(error, 8);
        });
        const own = predictWithResidual(model, stock.codes, predictions, DIGEST);
        train.forEach((query, i) => {
          const correction = validation.used ? plainKernelRidge(train, residuals, query) : 0;
          expect(own[i]).toBeCloseTo((predictions[i] ?? NaN) + correction, 8);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('weighs candidates by the density of the records under each', () => {
    const grid = { ...RESIDUAL_GRID, similarities: [0.8], signalToNoise: [0.5, 2], priorOfNone: 0.4 };
    fc.assert(
      fc.property(holder, ({ stock, predictions }) => {
        const { model, validation } = fit(stock, predictions, grid);
        fc.pre(validation.used);
        const train = rows(stock.codes, 3);
        const kernel = (a: number[], b: number[]) => {
          const shared = a.filter((value, f) => value === b[f]).length;
          return 0.5 * (shared / 3) + 0.5 * 0.8 ** (3 - shared);
        };
        const query = train[0] ?? [];
        let total = 0;
        let sum = 0;
        for (const trust of [1, 0]) {
          for (const ratio of [0, 0.5, 2]) {
            const base = (i: number) => 10 + trust * ((predictions[i] ?? NaN) - 10);
            const residuals = [...stock.y].map((y, i) => y - base(i));
            const matrix = train.map((a, i) => train.map((b, j) => ratio * kernel(a, b) + (i === j ? 1 : 0)));
            const { inverse, determinant } = slowInverse(matrix);
            const dual = inverse.map((row) => dot(row, residuals));
            const density = determinant ** -0.5 * dot(residuals, dual) ** (-residuals.length / 2);
            const weight = density * 0.5 * (ratio === 0 ? 0.4 : 0.3);
            const similarity = train.map((a) => ratio * kernel(a, query));
            total += weight;
            sum += weight * (base(0) + dot(dual, similarity));
          }
        }
        const own = predictWithResidual(model, stock.codes, predictions, DIGEST);
        expect(own[0]).toBeCloseTo(Math.min(20, Math.max(0, sum / total)), 8);
      }),
      { numRuns: 50 },
    );
  });

  it('is used only when its leave-one-out error is the smaller one, and otherwise changes nothing', () => {
    fc.assert(
      fc.property(holder, ({ stock, predictions }) => {
        const { model, validation } = fit(stock, predictions);
        expect(validation.used).toBe(validation.ownRmse < validation.globalRmse);
        const own = predictWithResidual(model, stock.codes, predictions, DIGEST);
        if (!validation.used) expect([...own]).toEqual([...predictions]);
        expect(own.every((value) => value >= 0 && value <= 20)).toBe(true);
      }),
    );
  });

  it('leaves a holder with few records, or with nothing to correct, at the global model', () => {
    const shape = gamShape([2, 2]);
    const few = { shape, codes: Uint16Array.of(0, 0, 1, 1, 0, 1, 1, 0), y: Float64Array.of(1, 9, 1, 9) };
    expect(fit(few, new Float64Array(4).fill(5)).validation).toEqual({
      records: 4,
      globalRmse: 4,
      ownRmse: NaN,
      used: false,
    });
    const none = { shape, codes: new Uint16Array(0), y: new Float64Array(0) };
    expect(fit(none, new Float64Array(0)).validation.used).toBe(false);
    expect([...fit(few, new Float64Array(4).fill(5)).model.errors]).toEqual([-4, -4, 4, 4]);
    const perfect = { shape, codes: new Uint16Array(12), y: new Float64Array(6).fill(7) };
    expect(fit(perfect, perfect.y).model.codes).toHaveLength(0);
  });

  it('learns an interaction from twenty records', () => {
    const cells = Array.from({ length: 20 }, (_, i) => [i % 2, (i >> 1) % 2]);
    const stock = {
      shape: gamShape([2, 2]),
      codes: Uint16Array.from(cells.flat()),
      y: Float64Array.from(cells, ([a, b]) => (a === b ? 12 : 6)),
    };
    const global = new Float64Array(20).fill(9);
    const { model, validation } = fit(stock, global);
    expect(validation.used).toBe(true);
    const own = predictWithResidual(model, stock.codes, global, DIGEST);
    own.forEach((value, i) => {
      expect(Math.abs(value - (stock.y[i] ?? NaN))).toBeLessThan(0.7);
    });
  });

  it('fits at most maxRecords, evenly spaced', () => {
    const n = 30;
    const stock = {
      shape: gamShape([30]),
      codes: Uint16Array.from({ length: n }, (_, i) => i),
      y: Float64Array.from({ length: n }, (_, i) => (i < 15 ? 4 : 16)),
    };
    const grid = { ...PLAIN, maxRecords: 10 };
    const { model, validation } = fit(stock, new Float64Array(n).fill(10), grid);
    expect(validation.records).toBe(10);
    if (validation.used) expect([...model.codes]).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
  });

  it('refuses what does not fit, without quoting a figure of a record', () => {
    const shape = gamShape([2]);
    const stock = { shape, codes: Uint16Array.of(0, 1), y: Float64Array.of(3, NaN) };
    expect(() => fit(stock, new Float64Array(2))).toThrow(/record 1 is not a finite number/);
    expect(() => fit({ ...stock, y: Float64Array.of(3) }, new Float64Array(1))).toThrow(/1 records need as many codes/);
    expect(() => fit({ ...stock, y: Float64Array.of(3, 4) }, new Float64Array(1))).toThrow(
      /as many global predictions/,
    );
    expect(() => fitResidual(stock, new Float64Array(2), { yRange: Y_RANGE, globalDigest: 'latest' })).toThrow(
      /64 hexadecimal digits, found "latest"/,
    );
  });
});

describe('predictWithResidual', () => {
  it('refuses another version of the global model, and codes that are not bins', () => {
    const stock = { shape: gamShape([2]), codes: new Uint16Array(6), y: Float64Array.of(1, 2, 3, 4, 5, 6) };
    const { model } = fit(stock, new Float64Array(6));
    const other = 'cd'.repeat(32);
    expect(() => predictWithResidual(model, stock.codes, stock.y, other)).toThrow(/corrects the global model abab/);
    expect(() => predictWithResidual(model, Uint16Array.of(2), Float64Array.of(1), DIGEST)).toThrow(InvalidInputError);
    expect(() => predictWithResidual(model, Uint16Array.of(1), Float64Array.of(1, 2), DIGEST)).toThrow(/need 2 codes/);
  });
});

describe('residualBytes', () => {
  it('comes back as the same model, and the same records give the same bytes', () => {
    fc.assert(
      fc.property(holder, ({ stock, predictions }) => {
        const { model } = fit(stock, predictions);
        const bytes = residualBytes(model);
        expect(residualBytes(fit(stock, predictions).model)).toEqual(bytes);
        const back = residualFromBytes(bytes);
        expect(back).toEqual(model);
        expect(predictWithResidual(back, stock.codes, predictions, DIGEST)).toEqual(
          predictWithResidual(model, stock.codes, predictions, DIGEST),
        );
      }),
    );
  });

  it('refuses every truncation, another version, and values out of range', () => {
    const shape = gamShape([2, 2]);
    const model = {
      globalDigest: DIGEST,
      yRange: Y_RANGE,
      shape,
      trust: 0.75,
      codes: Uint16Array.of(0, 1),
      influence: Float64Array.of(0.25, -1, 2),
      errors: Float64Array.of(-0.5, 0.5),
    };
    const bytes = residualBytes(model);
    expect(bytes).toHaveLength(67 + 8 + 4 + 24 + 16);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => residualFromBytes(bytes.subarray(0, length))).toThrow(InvalidInputError);
    }
    const altered = (at: number, value: number) => bytes.map((byte, i) => (i === at ? value : byte));
    expect(() => residualFromBytes(altered(0, 2))).toThrow(/version 2 is not version 1/);
    expect(() => residualFromBytes(altered(56, 0x7f))).toThrow(/trust .* must lie in \[0, 1\]/);
    expect(() => residualFromBytes(altered(75, 9))).toThrow(/code 9 for feature 0/);
    expect(() => residualFromBytes(residualBytes({ ...model, errors: model.errors.toReversed() }))).toThrow(/ascend/);
    expect(() => residualBytes({ ...model, influence: Float64Array.of(1) })).toThrow(/2 codes of 2 features/);
  });
});
