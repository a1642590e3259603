import { z } from 'zod';
import { Name, NonNegativeInt, PositiveInt, Sha256Hex } from './primitives.ts';

/**
 * Configuration of the services: one JSON file each, named by `--config FILE` or FEDCARBON_CONFIG. It holds credentials, so it belongs to its service alone (mode 0600).
 * An unknown key is an error. Paths are absolute or relative to the file.
 */
export const BrokerAccess = z.strictObject({
  servers: z.array(z.string()).min(1),
  user: z.string().min(1),
  password: z.string().min(1),
});
export type BrokerAccess = z.infer<typeof BrokerAccess>;

const Http = z.strictObject({ host: z.string().default('127.0.0.1'), port: NonNegativeInt.max(65535) });
const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info');
const base = { http: Http, logLevel: LogLevel };
const withPlan = { ...base, planFile: z.string() };
const DatabaseUrl = z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgresql:// URL');

/** `keyFile`s are Ed25519 private keys, PKCS#8 PEM. `planFile` is the resolved plan, JSON. */
export const GlobalAggregatorConfig = z.strictObject({
  ...withPlan,
  databaseUrl: DatabaseUrl,
  broker: BrokerAccess,
  keyFile: z.string(),
  /** Signs ledger checkpoints; never in the database. */
  checkpointKeyFile: z.string(),
});
export type GlobalAggregatorConfig = z.infer<typeof GlobalAggregatorConfig>;

/** The accountant knows every plan from the database: a budget outlives plans. */
export const PrivacyAccountantConfig = z.strictObject({
  ...base,
  databaseUrl: DatabaseUrl,
  broker: BrokerAccess,
  keyFile: z.string(),
  /** How long a reservation holds budget back without a commit. */
  reservationTtlMs: PositiveInt.default(60_000),
});
export type PrivacyAccountantConfig = z.infer<typeof PrivacyAccountantConfig>;

export const RegionalAggregatorConfig = z.strictObject({
  ...withPlan,
  databaseUrl: DatabaseUrl,
  regions: z.array(z.strictObject({ name: Name, broker: BrokerAccess, keyFile: z.string() })).min(1),
});
export type RegionalAggregatorConfig = z.infer<typeof RegionalAggregatorConfig>;

export const ClientTrainerConfig = z.strictObject({
  ...withPlan,
  holders: z
    .array(
      z.strictObject({
        holder: Name,
        broker: BrokerAccess,
        keyFile: z.string(),
        /** Folder with train.csv and, where records were set aside, test.csv. */
        dataDir: z.string(),
        /** Folder of the durable journal. */
        journalDir: z.string(),
        /** The holder's own cap over the life of the data set; the trainer never goes above it, whatever the accountant says. */
        cap: z.strictObject({ epsilon: z.number().positive(), delta: z.number().gt(0).lt(1) }),
        /** Plans that the holder's operator has read and accepted. */
        acceptedPlanHashes: z.array(Sha256Hex),
      }),
    )
    .min(1),
});
export type ClientTrainerConfig = z.infer<typeof ClientTrainerConfig>;

/** The second server of plans under `protocol: two-servers`. No database: what it must remember lies in `factsDir`. */
export const SumHelperConfig = z.strictObject({
  ...withPlan,
  broker: BrokerAccess,
  keyFile: z.string(),
  /** X25519 private key, PKCS#8 PEM: opens what clients seal. */
  sealingKeyFile: z.string(),
  /** Folder of the answers given so far; made when absent. */
  factsDir: z.string(),
});
export type SumHelperConfig = z.infer<typeof SumHelperConfig>;

export const Role = z.enum(['analyst', 'auditor', 'operator', 'holder']);
export type Role = z.infer<typeof Role>;

export const BenchmarkApiConfig = z.strictObject({
  ...withPlan,
  databaseUrl: DatabaseUrl,
  broker: BrokerAccess,
  /** SHA-256 of the keys, never the keys. */
  apiKeys: z.array(z.strictObject({ name: z.string(), role: Role, holder: Name.optional(), sha256: Sha256Hex })),
});
export type BenchmarkApiConfig = z.infer<typeof BenchmarkApiConfig>;
