import { setTimeout as pause } from 'node:timers/promises';
import { parseStrict } from '@fedcarbon/contracts';
import { describeError, FedcarbonError } from '@fedcarbon/kernel';
import type { z } from 'zod';

const REQUEST_TIMEOUT_MS = 10_000;
const RETRY_MS = 50;
/** As long as a killed API may take until it answers again. */
const RESTART_TIMEOUT_MS = 30_000;

/** Asks the benchmark API as its users do. */
export class ApiClient {
  private readonly baseUrl: string;
  private readonly apiKey: string;

  constructor(baseUrl: string, apiKey: string) {
    this.baseUrl = baseUrl;
    this.apiKey = apiKey;
  }

  /** An answer of the expected shape, also over a restart of the API. Throws FedcarbonError (`api_error`) for any other. */
  get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.until(path, schema, () => true, RESTART_TIMEOUT_MS);
  }

  private async once<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const response = await this.request(path);
    return parseStrict(schema, await response.json(), `answer of ${path}`);
  }

  async text(path: string): Promise<string> {
    return (await this.request(path)).text();
  }

  /** Asks until `accept` is content with the answer, since the API's view follows the ledger with a short delay. */
  async until<T>(path: string, schema: z.ZodType<T>, accept: (answer: T) => boolean, timeoutMs: number): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      try {
        const answer = await this.once(path, schema);
        if (accept(answer)) return answer;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      if (Date.now() > deadline)
        throw new FedcarbonError(
          'api_error',
          `GET ${path}: the expected answer did not come within ${String(timeoutMs)} ms`,
        );
      await pause(RETRY_MS);
    }
  }

  private async request(path: string): Promise<Response> {
    const response = await fetch(this.baseUrl + path, {
      headers: { authorization: `Bearer ${this.apiKey}` },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    }).catch((cause: unknown) => {
      const why = (cause as Error).cause ?? cause;
      throw new FedcarbonError('api_error', `the API at ${this.baseUrl} does not answer: ${describeError(why)}`, {
        cause,
      });
    });
    if (!response.ok) {
      throw new FedcarbonError('api_error', `GET ${path}: ${String(response.status)} ${response.statusText}`);
    }
    return response;
  }
}
