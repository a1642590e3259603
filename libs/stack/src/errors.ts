/** A server that cannot be found, started or stopped. The message is one sentence that says what to do. */
export class StackError extends Error {
  override readonly name = 'StackError';
}
