import type { SignedBytes } from '@fedcarbon/contracts';

/** Structured log of one holder. Fields are names, numbers of rounds, digests, verdicts: never data, never a count of records. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A holder's own connection to the broker. */
export interface HolderLink {
  /** Request-reply with a time limit. Throws when there is no answer. Returns the reply's bytes. */
  request(subject: string, signed: SignedBytes): Promise<Uint8Array>;
  /** Publishes into a stream; resolves when the broker has stored it. The same `messageId` within the broker's window is stored once. */
  publish(subject: string, signed: SignedBytes, messageId: string): Promise<void>;
}

/** `length` independent samples of the discrete Gaussian N_Z(0, sigmaSquared). */
export type Noise = (sigmaSquared: number, length: number) => Int32Array;

/** Places where a test may end the process, to show that a crash there does no harm. */
export type FaultPoint =
  | 'after-reserve'
  | 'after-prepare'
  | 'after-commit'
  | 'after-committed'
  | 'after-publish'
  | 'after-masking-fact'
  | 'after-masking-send';
