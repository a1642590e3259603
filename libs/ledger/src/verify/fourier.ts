/** A sequence of complex numbers. */
export interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** In-place discrete Fourier transform (radix 2, Cooley and Tukey 1965); the length is a power of two. */
export function transform({ re, im }: Complex): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      const [x, y] = [re[i] as number, im[i] as number];
      re[i] = re[j] as number;
      im[i] = im[j] as number;
      re[j] = x;
      im[j] = y;
    }
  }
  const { re: cos, im: sin } = rootsOfUnity(n);
  for (let size = 2; size <= n; size *= 2) {
    const [half, stride] = [size / 2, n / size];
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < half; k++) {
        const a = start + k;
        const b = a + half;
        const c = cos[k * stride] as number;
        const s = sin[k * stride] as number;
        const x = (re[b] as number) * c - (im[b] as number) * s;
        const y = (re[b] as number) * s + (im[b] as number) * c;
        re[b] = (re[a] as number) - x;
        im[b] = (im[a] as number) - y;
        re[a] = (re[a] as number) + x;
        im[a] = (im[a] as number) + y;
      }
    }
  }
}

const knownRoots = new Map<number, Complex>();

/** exp(-2 pi i k / n) for k below n / 2. */
function rootsOfUnity(n: number): Complex {
  const angle = (k: number) => (-2 * Math.PI * k) / n;
  const roots = knownRoots.get(n) ?? {
    re: new Float64Array(n / 2).map((_, k) => Math.cos(angle(k))),
    im: new Float64Array(n / 2).map((_, k) => Math.sin(angle(k))),
  };
  knownRoots.set(n, roots);
  return roots;
}

/** Inverse of `transform`, by conjugation. */
export function inverseTransform({ re, im }: Complex): void {
  im.forEach((value, i) => (im[i] = -value));
  transform({ re, im });
  re.forEach((value, i) => (re[i] = value / re.length));
  im.forEach((value, i) => (im[i] = -value / re.length));
}
