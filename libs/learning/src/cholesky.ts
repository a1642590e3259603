/** A symmetric positive definite matrix M = L L^T, factored so that linear systems, its determinant and the diagonal of its inverse are sums. */
export interface Factored {
  readonly n: number;
  /** U = (L^-1)^T, n x n, row-major, zero below the diagonal; M^-1 = U U^T. */
  readonly inverseTransposed: Float64Array;
  /** Natural logarithm of the determinant of M. */
  readonly logDeterminant: number;
}

/**
 * Factors a symmetric positive definite matrix, n x n and row-major, of which the lower triangle is read (Cholesky-Banachiewicz; Golub and Van Loan 2013,
 * section 4.2). About n^3 / 3 multiplications. The caller guarantees that it is positive definite; a matrix I + K with K positive semidefinite always is.
 */
export function factor(matrix: Float64Array, n: number): Factored {
  const lower = new Float64Array(n * n);
  let logDeterminant = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = matrix[i * n + j] as number;
      for (let k = 0; k < j; k++) rest -= (lower[i * n + k] as number) * (lower[j * n + k] as number);
      lower[i * n + j] = i === j ? Math.sqrt(rest) : rest / (lower[j * n + j] as number);
    }
    logDeterminant += 2 * Math.log(lower[i * n + i] as number);
  }
  // Column j of L^-1, kept as row j so that both factors of the inner sum are read in order.
  const inverseTransposed = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    inverseTransposed[j * n + j] = 1 / (lower[j * n + j] as number);
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum += (lower[i * n + k] as number) * (inverseTransposed[j * n + k] as number);
      inverseTransposed[j * n + i] = -sum / (lower[i * n + i] as number);
    }
  }
  return { n, inverseTransposed, logDeterminant };
}

/** Solution x of M x = r, and r^T M^-1 r, which is not negative by construction. */
export function solve(
  { n, inverseTransposed }: Factored,
  r: Float64Array,
): { x: Float64Array<ArrayBuffer>; quadratic: number } {
  const half = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      half[i] = (half[i] as number) + (inverseTransposed[j * n + i] as number) * (r[j] as number);
    }
  }
  const x = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let i = j; i < n; i++) sum += (inverseTransposed[j * n + i] as number) * (half[i] as number);
    x[j] = sum;
  }
  return { x, quadratic: half.reduce((sum, value) => sum + value * value, 0) };
}

/** Diagonal of M^-1. */
export function inverseDiagonal({ n, inverseTransposed }: Factored): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: n }, (_, j) =>
    inverseTransposed.subarray(j * n + j, (j + 1) * n).reduce((sum, value) => sum + value * value, 0),
  );
}
