import { FedcarbonError } from '@fedcarbon/kernel';

/** A server that cannot be found, started or stopped. The message is one sentence that says what to do. */
export class StackError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('stack', message, options);
  }
}
