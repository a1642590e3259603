import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { subjectMatches } from './subject-match.ts';

/** The handler whose pattern fits `subject`; the first registered one when several do. */
export function handlerFor(handlers: ReadonlyMap<string, MessageHandler>, subject: string): MessageHandler | undefined {
  for (const [pattern, handler] of handlers) if (subjectMatches(pattern, subject)) return handler;
  return undefined;
}

/** Runs a Nest handler to its end. Returns its last value, throws what it threw. */
export async function runHandler(handler: MessageHandler, data: unknown): Promise<unknown> {
  const result: unknown = await handler(data, undefined);
  return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
}

/** Waits for all of `work`, at most `limitMs`. Returns whether it came to its end. */
export async function settleWithin(work: Iterable<Promise<unknown>>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  try {
    return await Promise.race([Promise.allSettled(work).then(() => true), limit]);
  } finally {
    clearTimeout(timer);
  }
}
