import { hash, timingSafeEqual } from 'node:crypto';
import type { BenchmarkApiConfig } from '@fedcarbon/contracts';
import type { Asker } from '../snapshot/snapshot.ts';

/** Recognisable in a leak. */
const BEARER = /^bearer +(fc_[A-Za-z0-9_-]{1,200})$/i;

interface StoredKey extends Asker {
  readonly name: string;
  readonly digest: Buffer;
}

/** The keys that may ask, known by their SHA-256 only. */
export class ApiKeys {
  readonly #keys: readonly StoredKey[];

  constructor(keys: BenchmarkApiConfig['apiKeys']) {
    this.#keys = keys.map(({ name, role, holder, sha256 }) => ({
      ...{ name, role, holder },
      digest: Buffer.from(sha256, 'hex'),
    }));
  }

  /** Who an `Authorization: Bearer fc_...` header belongs to. Every key is compared in full, so the time taken does not depend on which one fits. */
  askerOf(authorization: string | undefined): Asker | undefined {
    const key = BEARER.exec(authorization ?? '')?.[1];
    if (key === undefined) return undefined;
    // In one go: a hash object for each request would keep the garbage collector busy.
    const digest = hash('sha256', key, 'buffer');
    let found: StoredKey | undefined;
    for (const stored of this.#keys) if (timingSafeEqual(stored.digest, digest)) found = stored;
    return found;
  }
}
