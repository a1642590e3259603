import { FederationPlan, parseStrict } from '@fedcarbon/contracts';
import { type Json, canonicalBytes, InvalidInputError, toHex } from '@fedcarbon/kernel';
import { ConfigurationError, readJson } from './config.ts';
import { sha256 } from './crypto.ts';

/** A resolved plan and its identity. */
export interface LoadedPlan {
  readonly plan: FederationPlan;
  /** SHA-256 of `bytes`, hexadecimal. */
  readonly planHash: string;
  /** Canonical JSON (RFC 8785), UTF-8. */
  readonly bytes: Uint8Array;
}

/** Reads a resolved plan (JSON, in any layout). Throws ConfigurationError naming every place that does not fit. */
export function loadPlan(file: string): LoadedPlan {
  try {
    const plan = parseStrict(FederationPlan, readJson(file), file);
    const bytes = canonicalBytes(plan as Json);
    return { plan, planHash: toHex(sha256(bytes)), bytes };
  } catch (error) {
    if (error instanceof InvalidInputError) throw new ConfigurationError(error.message);
    throw error;
  }
}
