import { describeError, FedcarbonError } from '@fedcarbon/kernel';

/** The database cannot be reached, is shutting down, or gave way to a competing transaction. Nothing was committed, or it is unknown whether; try again later. */
export class DatabaseUnavailableError extends FedcarbonError {
  constructor(options?: { cause?: unknown }) {
    super('database_unavailable', `the database is unavailable: ${describeError(options?.cause)}; try again`, options);
  }
}

/** Codes that mean "later": PostgreSQL SQLSTATEs (appendix A of its manual), Node's socket errors, Prisma's connection and pool errors. */
const TRANSIENT_CODE =
  /^(08...|57P0[1-5]|53[0-9]00|25P03|40001|40P01|55P03|57014|ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ENOENT|ETIMEDOUT|EHOSTUNREACH|P1001|P1002|P1008|P1017|P2024|P2028|P2034|P2037)$/;
/** The pg driver reports a lost connection without a code. */
const TRANSIENT_MESSAGE =
  /Connection terminated|connection error and is not queryable|timeout exceeded when trying to connect|Client was closed|pool after calling end/i;
const TRANSIENT_KIND = ['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections'];

/** Whether the same work may succeed when it is tried again. Looks through causes, and through what Prisma hides in `meta`. */
function isTransient(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, originalCode, kind, message, cause, meta } = error as Record<string, unknown>;
  const codes = [code, originalCode].filter((value) => typeof value === 'string');
  return (
    codes.some((value) => TRANSIENT_CODE.test(value)) ||
    (typeof kind === 'string' && TRANSIENT_KIND.includes(kind)) ||
    (typeof message === 'string' && TRANSIENT_MESSAGE.test(message)) ||
    isTransient(cause, depth + 1) ||
    isTransient((meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError, depth + 1)
  );
}

/** Runs `work`; transient failures of the database come out as DatabaseUnavailableError, everything else as it is. */
export async function mapDatabaseErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FedcarbonError) && isTransient(error)) throw new DatabaseUnavailableError({ cause: error });
    throw error;
  }
}
