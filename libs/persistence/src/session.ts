import type { Prisma } from './generated/client.ts';

declare const opaque: unique symbol;

/** Where repositories run their statements: a transaction, or the database itself with each statement on its own. */
export interface Session {
  readonly [opaque]: 'session';
}

/** Hides the client from everybody outside this package, so that no Prisma type becomes part of its interface. */
export function sessionOf(client: Prisma.TransactionClient): Session {
  return client as unknown as Session;
}

/** What `sessionOf` was given. */
export function clientOf(session: Session): Prisma.TransactionClient {
  return session as unknown as Prisma.TransactionClient;
}

/** Prisma asks for bytes over a plain ArrayBuffer; those of a SharedArrayBuffer, which the type also allows, do not occur here. */
export function toColumn(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
