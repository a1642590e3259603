import {
  type Json,
  type Signer,
  type VerifySignature,
  canonicalBytes,
  canonicalJson,
  fromBase64Url,
  fromUtf8,
  InvalidInputError,
  toBase64Url,
  utf8,
  concatBytes,
} from '@fedcarbon/kernel';
import { z } from 'zod';
import { Signature } from './primitives.ts';

/** A kind of signed statement, with its version: `<kind>/v<version>` goes into what is signed, so that no statement can pass for another kind. */
export interface StatementKind<T> {
  readonly kind: string;
  readonly version: number;
  readonly schema: z.ZodType<T>;
}

/** What travels of a statement, and the Ed25519 signature over it, or over the whole of an abridged one. A message is the signature, then the payload. */
export interface SignedBytes {
  readonly payload: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** Declares a kind of statement. */
export function statementKind<T>(kind: string, version: number, schema: z.ZodType<T>): StatementKind<T> {
  return { kind, version, schema };
}

/** The bytes under the signature: a line that names the kind and version, then the canonical bytes (RFC 8785) of the statement. */
export function signedMessage(kind: Pick<StatementKind<unknown>, 'kind' | 'version'>, payload: Uint8Array): Uint8Array {
  return concatBytes(utf8(`fedcarbon/${kind.kind}/v${String(kind.version)}\n`), payload);
}

/** Signs a statement. Throws InvalidInputError when it does not fit its schema: what we send is as strict as what we read. */
export function signStatement<T extends object>(kind: StatementKind<T>, statement: T, signer: Signer): SignedBytes {
  const payload = canonicalBytes(parseStrict(kind.schema, statement, `${kind.kind} v${String(kind.version)}`) as Json);
  return { payload, signature: signer.sign(signedMessage(kind, payload)) };
}

/** Whether `signed` is by `publicKey` and of this kind. */
export function isSignedBy(
  kind: StatementKind<unknown>,
  signed: SignedBytes,
  publicKey: Uint8Array,
  verify: VerifySignature,
): boolean {
  return verify(publicKey, signedMessage(kind, signed.payload), signed.signature);
}

/**
 * The statement in `payload`, whose signature is NOT looked at (its signer may be named inside; call `isSignedBy` next).
 * Throws InvalidInputError when it is not the canonical JSON of this kind: unknown members are refused by name.
 */
export function readStatement<T>(kind: StatementKind<T>, payload: Uint8Array): T {
  const what = `${kind.kind} v${String(kind.version)}`;
  const text = fromUtf8(payload);
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch (cause) {
    throw new InvalidInputError(`${what}: not JSON`, { cause });
  }
  const statement = parseStrict(kind.schema, json, what);
  if (canonicalJson(json) !== text) throw new InvalidInputError(`${what}: not canonical JSON (RFC 8785)`);
  return statement;
}

/** Reads a statement and checks that `publicKey` signed it. Throws InvalidInputError (`bad_signature`) when it did not. */
export function openStatement<T>(
  kind: StatementKind<T>,
  signed: SignedBytes,
  publicKey: Uint8Array,
  verify: VerifySignature,
): T {
  const statement = readStatement(kind, signed.payload);
  requireSigned(kind, signed, publicKey, verify);
  return statement;
}

function requireSigned(
  kind: StatementKind<unknown>,
  signed: SignedBytes,
  publicKey: Uint8Array,
  verify: VerifySignature,
): void {
  if (isSignedBy(kind, signed, publicKey, verify)) return;
  throw new InvalidInputError(`${kind.kind} v${String(kind.version)}: the signature is not by the expected key`, {
    code: 'bad_signature',
  });
}

/**
 * A kind of statement of which only the members S travel. The others, C, are context that its reader has anyway. Signed is the whole statement, so a message is
 * bound to its context as if it repeated it, and verifies in no other.
 */
export interface AbridgedKind<S, C> extends StatementKind<S & C> {
  readonly sent: z.ZodType<S> & { readonly shape: object };
}

/** Declares a kind of statement of which only `sent` travels. */
export function abridgedKind<S, T extends S>(
  kind: string,
  version: number,
  schema: z.ZodType<T>,
  sent: AbridgedKind<S, unknown>['sent'],
): AbridgedKind<S, Omit<T, keyof S>> {
  return { kind, version, schema: schema as z.ZodType<S & Omit<T, keyof S>>, sent };
}

/** What travels of a statement: canonical bytes (RFC 8785) of the members that are not context. */
export function abridgedBytes<T extends object>({ sent }: AbridgedKind<T, unknown>, statement: T): Uint8Array {
  const members = Object.entries(statement).filter(([name]) => Object.hasOwn(sent.shape, name));
  return canonicalBytes(Object.fromEntries(members) as Json);
}

/** Signs the whole statement; the payload is what travels of it. Throws as `signStatement` does. */
export function signAbridged<S extends object, C>(
  kind: AbridgedKind<S, C>,
  statement: S & C,
  signer: Signer,
): SignedBytes {
  const { signature } = signStatement(kind, statement, signer);
  return { payload: abridgedBytes(kind, statement), signature };
}

/** The whole of an abridged statement, whose signature is NOT looked at. Throws as `readStatement` and `contextOf` do. */
export function readAbridged<S, C>(kind: AbridgedKind<S, C>, payload: Uint8Array, contextOf: (sent: S) => C): S & C {
  const sent = readStatement({ ...kind, schema: kind.sent }, payload);
  return { ...sent, ...contextOf(sent) };
}

/** Reads an abridged statement and checks that `publicKey` signed the whole. Throws InvalidInputError (`bad_signature`) when it did not. */
export function openAbridged<S, C>(
  kind: AbridgedKind<S, C>,
  { payload, signature }: SignedBytes,
  contextOf: (sent: S) => C,
  publicKey: Uint8Array,
  verify: VerifySignature,
): S & C {
  const statement = readAbridged(kind, payload, contextOf);
  requireSigned(kind, { payload: canonicalBytes(statement as Json), signature }, publicKey, verify);
  return statement;
}

/** A signed statement that travels inside another message: the statement as JSON beside its signature. */
export function embedded<T>(schema: z.ZodType<T>) {
  return z.strictObject({ statement: schema, signature: Signature });
}
export interface Embedded<T> {
  readonly statement: T;
  readonly signature: string;
}

/** Signs a statement for embedding. */
export function embedStatement<T extends object>(kind: StatementKind<T>, statement: T, signer: Signer): Embedded<T> {
  return { statement, signature: toBase64Url(signStatement(kind, statement, signer).signature) };
}

/** Whether an embedded statement is signed by `publicKey`. */
export function isEmbeddedSignedBy<T extends object>(
  kind: StatementKind<T>,
  embeddedStatement: Embedded<T>,
  publicKey: Uint8Array,
  verify: VerifySignature,
): boolean {
  const signed = {
    payload: canonicalBytes(embeddedStatement.statement as Json),
    signature: fromBase64Url(embeddedStatement.signature),
  };
  return isSignedBy(kind, signed, publicKey, verify);
}

/** Parses with a strict schema. Throws InvalidInputError that names `what` and every place that does not fit. */
export function parseStrict<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const places = result.error.issues.map((issue) => {
    const place = issue.path.map(String).join('.');
    return place === '' ? issue.message : `${place}: ${issue.message}`;
  });
  throw new InvalidInputError(`${what}: ${places.join('; ')}`);
}
