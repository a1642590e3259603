/** Root of every error that this system throws on purpose. `code` is stable and machine-readable; `message` says what was found and what to do. */
export class FedcarbonError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Input from outside (a file, a message, a flag, an HTTP body) that cannot be accepted. Its sender must change it; sending it again cannot help. */
export class InvalidInputError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown; code?: string }) {
    super(options?.code ?? 'invalid_input', message, options);
  }
}

/** One line that describes anything thrown, for logs and for `cause` texts. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
