import type { Phase } from '@fedcarbon/secure-sum';

/** Steps between which a crash must lose nothing. Of the secure sum: before and after the commit that led into a phase or was made in it. */
export type FaultPoint =
  'report-stored' | 'closing' | 'closed' | 'opening' | 'opened' | `masking-${'unsaved' | 'saved'}-${Phase | 'idle'}`;

/**
 * For tests of crashes: under NODE_ENV=test, FEDCARBON_FAULT=<point> ends the process at that point as `kill -9` does. Everywhere else it does nothing.
 */
export function faultInjection(
  env: Readonly<Record<string, string | undefined>> = process.env,
): (point: FaultPoint) => void {
  const wanted = env['NODE_ENV'] === 'test' ? env['FEDCARBON_FAULT'] : undefined;
  return (point) => {
    if (point === wanted) process.kill(process.pid, 'SIGKILL');
  };
}
