/** Reads a value of one shape out of parsed JSON; throws ShapeError naming the place. */
export type Read<T> = (value: unknown, path: string) => T;

/** A value that has not the shape it must have. */
export class ShapeError extends Error {
  constructor(path: string, wanted: string, value: unknown) {
    const found = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
    super(`${path} must be ${wanted}, found ${found}`);
    this.name = 'ShapeError';
  }
}

function when<T>(wanted: string, test: (value: unknown) => boolean): Read<T> {
  return (value, path) => {
    if (!test(value)) throw new ShapeError(path, wanted, value);
    return value as T; // Safe because `test` has just said so.
  };
}

const matching = (wanted: string, pattern: RegExp) =>
  when<string>(wanted, (value) => typeof value === 'string' && pattern.test(value));

export const text = when<string>('a text', (value) => typeof value === 'string');
export const name = when<string>('a text that is not empty', (value) => typeof value === 'string' && value !== '');
export const digest = matching('64 lower-case hexadecimal digits', /^[0-9a-f]{64}$/);
export const base64Url = matching('base64url text', /^[A-Za-z0-9_-]*$/);
export const publicKey = matching('a base64url Ed25519 public key', /^[A-Za-z0-9_-]{43}$/);
export const signature = matching('a base64url Ed25519 signature', /^[A-Za-z0-9_-]{86}$/);
export const anything: Read<unknown> = (value) => value;
export const count = when<number>(
  'an integer of at least 0',
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
);
export const positive = when<number>(
  'an integer of at least 1',
  (value) => Number.isSafeInteger(value) && Number(value) >= 1,
);
export const amount = when<number>('a number of at least 0', (value) => typeof value === 'number' && value >= 0);
export const above0 = when<number>('a number above 0', (value) => typeof value === 'number' && value > 0);

/** The noise parameters that an exact sampler draws from. */
export const sixtyFourths = when<number>(
  'a positive multiple of 1/64',
  (value) => typeof value === 'number' && value > 0 && Number.isSafeInteger(value * 64),
);

/** One of the given texts or numbers. */
export function oneOf<const T extends string | number>(...values: readonly T[]): Read<T> {
  return when<T>(values.map((value) => JSON.stringify(value)).join(' or '), (value) => values.includes(value as T));
}

/** What `read` takes, or null. */
export function orNull<T>(read: Read<T>): Read<T | null> {
  return (value, path) => (value === null ? null : read(value, path));
}

/** A list whose members all have one shape. */
export function listOf<T>(member: Read<T>): Read<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(path, 'a list', value);
    return value.map((item, i) => member(item, `${path}[${i}]`));
  };
}

type Fields = Readonly<Record<string, Read<unknown>>>;
type Of<F extends Fields> = { readonly [K in keyof F]: F[K] extends Read<infer T> ? T : never };
type Members = Readonly<Record<string, unknown>>;

function members(value: unknown, path: string): Members {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new ShapeError(path, 'an object', value);
  return value as Members;
}

/** An object of which only these fields matter here. */
export function including<R extends Fields, O extends Fields = Record<never, never>>(
  required: R,
  optional?: O,
): Read<Of<R> & Partial<Of<O>>> {
  return (value, path) => {
    const object = members(value, path);
    const result: Record<string, unknown> = {};
    for (const [field, read] of Object.entries(required)) {
      result[field] = read(Object.hasOwn(object, field) ? object[field] : undefined, `${path}.${field}`);
    }
    for (const [field, read] of Object.entries(optional ?? {})) {
      if (Object.hasOwn(object, field)) result[field] = read(object[field], `${path}.${field}`);
    }
    return result as Of<R> & Partial<Of<O>>; // Safe because every field has just been read.
  };
}

/** An object with these fields and no other. */
export function exactly<R extends Fields, O extends Fields = Record<never, never>>(
  required: R,
  optional?: O,
): Read<Of<R> & Partial<Of<O>>> {
  const read = including(required, optional);
  return (value, path) => {
    for (const field of Object.keys(members(value, path))) {
      if (!Object.hasOwn(required, field) && !Object.hasOwn(optional ?? {}, field)) {
        throw new ShapeError(path, 'without unknown fields', { [field]: members(value, path)[field] });
      }
    }
    return read(value, path);
  };
}
