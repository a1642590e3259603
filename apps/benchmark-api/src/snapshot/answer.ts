import { createHash } from 'node:crypto';

/** A body that is ready to be sent, and its strong entity tag (RFC 9110, section 8.8.3). */
export interface Answer {
  readonly body: Buffer;
  readonly etag: string;
}

/** Serialises an answer. Its ledger position is part of the body, so the tag changes with it. */
export function answerOf(value: object): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}
