import { z } from 'zod';

/** Name of a holder, region, data set or federation: it also stands in broker subjects and file names, hence the narrow alphabet. */
export const Name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'must be 1 to 40 of a-z, 0-9 and "-", not at the ends');

/** SHA-256 as 64 lower-case hexadecimal digits. */
export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');

/** Binary as base64url without padding (RFC 4648, section 5). */
export const Base64Url = z.string().regex(/^[A-Za-z0-9_-]*$/, 'must be base64url without padding');

/** Public key, Ed25519 where nothing else is said: 32 bytes as base64url. */
export const PublicKey = Base64Url.length(43, 'must be a 32-byte public key as base64url');

/** Ed25519 signature: 64 bytes as base64url. */
export const Signature = Base64Url.length(86, 'must be a 64-byte Ed25519 signature as base64url');

/** `<first 12 digits of the plan hash>-<round index>`: unique across plans. */
export const RoundId = z
  .string()
  .regex(/^[0-9a-f]{12}-[1-9][0-9]{0,5}$/, 'must be <12 hexadecimal digits>-<round index>');

export const PositiveInt = z.number().int().positive();
export const NonNegativeInt = z.number().int().nonnegative();

/** What one round adds to the history of a data set; see `MechanismEvent` in @fedcarbon/privacy. */
export const MechanismEvent = z.strictObject({
  kind: z.literal('discreteGaussian'),
  sigmaSquared: z.number().positive(),
  sensitivitySquared: PositiveInt,
  steps: PositiveInt,
});
export type MechanismEvent = z.infer<typeof MechanismEvent>;

/** What a round is for: one step of the model, or the counts behind the benchmarks. */
export const Purpose = z.enum(['model', 'benchmarks']);
export type Purpose = z.infer<typeof Purpose>;

/** Bytes of message bodies and headers, without the transport below: `up` from clients, `down` to clients. */
export const ByteCounts = z.strictObject({ up: NonNegativeInt, down: NonNegativeInt });
export type ByteCounts = z.infer<typeof ByteCounts>;
