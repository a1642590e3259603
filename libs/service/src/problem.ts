import { InvalidInputError } from '@fedcarbon/kernel';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { throwError } from 'rxjs';
import type { Logger } from './logger.ts';

/** Problem details (RFC 9457, section 3.1); further members are extensions. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly [extension: string]: unknown;
}

/** An HTTP answer that is a problem. */
export class ProblemError extends HttpException {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title, problem.status);
    this.problem = problem;
  }
}

/**
 * An error to throw from a controller: `throw problem(404, 'not_released', 'Not released', 'no release holds ...')`.
 * `type` is a short name, stable for machines; it becomes `urn:fedcarbon:problem:<type>`.
 */
export function problem(
  status: number,
  type: string,
  title: string,
  detail: string,
  extensions: Readonly<Record<string, unknown>> = {},
): ProblemError {
  return new ProblemError({ type: problemType(type), title, status, detail, ...extensions });
}

const problemType = (name: string) => `urn:fedcarbon:problem:${name}`;
const plain = (status: number, detail?: string): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[status] ?? 'Error',
  status,
  ...(detail === undefined ? {} : { detail }),
});

/** The part of Express's request and response that is used here. */
interface HttpRequest {
  readonly method: string;
  readonly path: string;
}
interface HttpResponse {
  readonly headersSent: boolean;
  status(code: number): HttpResponse;
  type(mediaType: string): HttpResponse;
  send(body: string): unknown;
}

/**
 * Answers every error of an HTTP handler as application/problem+json (RFC 9457). Unexpected ones are logged and answer 500 without details.
 * Errors of message handlers go on to their transport unchanged, which decides by their class whether a message is repeated.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  catch(error: unknown, host: ArgumentsHost): unknown {
    if (host.getType() !== 'http') return throwError(() => error);
    const request = host.switchToHttp().getRequest<HttpRequest>();
    const response = host.switchToHttp().getResponse<HttpResponse>();
    const answer = problemOf(error);
    if (answer.status === 500) {
      this.#logger.error({ method: request.method, path: request.path, err: error }, 'request failed');
    }
    if (response.headersSent) return undefined;
    return response
      .status(answer.status)
      .type('application/problem+json')
      .send(JSON.stringify({ ...answer, instance: request.path }));
  }
}

function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof HttpException) return plain(error.getStatus(), error.message);
  if (error instanceof InvalidInputError) {
    return { type: problemType(error.code), title: 'Invalid input', status: 400, detail: error.message };
  }
  // Errors of Express's body parser, such as a body that is too large.
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return plain(statusCode, String(message));
  return plain(500);
}
