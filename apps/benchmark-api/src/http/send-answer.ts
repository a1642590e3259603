import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from '../snapshot/answer.ts';

/** What stands in the headers as well, for readers that do not look into bodies. */
export interface Position {
  readonly plan: { readonly hash: string };
  readonly ledger: { readonly size: number };
}

/**
 * Sends a serialised answer, or 304 when the asker has it already (RFC 9110, section 13.1.2). Caches must ask again each time: what is published
 * changes with the ledger. Past Express's own `send`, which would serialise and hash once more.
 */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { body, etag }: Answer,
  position: Position,
): void {
  const headers = {
    ETag: etag,
    'Cache-Control': 'private, no-cache',
    Vary: 'Authorization',
    ...positionHeaders(position),
  };
  if (fits(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end();
    return;
  }
  response
    .writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length, ...headers })
    .end(body);
}

export function positionHeaders({ plan, ledger }: Position): Record<string, string> {
  return { 'Fedcarbon-Plan': plan.hash, 'Fedcarbon-Ledger-Size': String(ledger.size) };
}

/** Weak comparison, as If-None-Match asks for: `W/` does not matter. */
export function fits(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
}
