import { concatBytes, equalBytes, InvalidInputError } from '@fedcarbon/kernel';

/** First byte of every message of this version. */
export const VERSION = 1;

/** Second byte of a message. Numbers are never used again for something else. */
export const KIND = {
  hello: 1,
  roster: 2,
  shares: 3,
  delivered: 4,
  masked: 5,
  partial: 6,
  survivors: 7,
  consent: 8,
  unmask: 9,
  answer: 10,
  seeds: 11,
  maskSum: 12,
  block: 13,
} as const;
export type MessageKind = keyof typeof KIND;

/** Leading bytes of the session's id that each message repeats, so that none passes in another block. What must bind more is signed or sealed. */
export const SESSION_TAG_BYTES = 8;
/** Version, kind, session tag. */
export const HEADER_BYTES = 2 + SESSION_TAG_BYTES;

/** Kind of an encoded message, or undefined for what is none of version 1. */
export function kindOf(message: Uint8Array): MessageKind | undefined {
  if (message[0] !== VERSION) return undefined;
  return (Object.keys(KIND) as MessageKind[]).find((kind) => KIND[kind] === message[1]);
}

/** Whether an encoded message belongs to this session, by its tag. */
export function isOfSession(session: Uint8Array, message: Uint8Array): boolean {
  return equalBytes(message.subarray(2, HEADER_BYTES), session.subarray(0, SESSION_TAG_BYTES));
}

/** The message of `kind` with these parts after its header. */
export function encodeMessage(kind: MessageKind, session: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(VERSION, KIND[kind]), session.subarray(0, SESSION_TAG_BYTES), ...parts);
}

/** `value` as u16, big-endian. */
export function u16(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff) {
    throw new InvalidInputError(`${value} is not a number of 16 bits`);
  }
  return Uint8Array.of(value >>> 8, value & 255);
}

/** One bit for each of `size` numbers, the lowest first, most significant bit first, zero bits up to a whole byte. */
export function bitmapOf(members: readonly number[], size: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  for (const member of members) bytes[member >> 3] = (bytes[member >> 3] as number) | (0x80 >> (member & 7));
  return bytes;
}

/** The numbers whose bits are set, ascending. */
export function membersOf(bitmap: Uint8Array): number[] {
  const members: number[] = [];
  for (let bit = 0; bit < 8 * bitmap.length; bit++) {
    if ((bitmap[bit >> 3] as number) & (0x80 >> (bit & 7))) members.push(bit);
  }
  return members;
}

/** Reads a message front to back; whatever it refuses throws InvalidInputError (`invalid_encoding`). `end` refuses what is left over. */
export class BytesCursor {
  readonly #bytes: Uint8Array;
  readonly #kind: MessageKind;
  #at = HEADER_BYTES;

  constructor(kind: MessageKind, session: Uint8Array, bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#kind = kind;
    if (bytes[0] !== VERSION || bytes[1] !== KIND[kind]) {
      throw this.invalid(`expected version ${VERSION}, kind ${KIND[kind]}, found ${bytes[0]} and ${bytes[1]}`);
    }
    if (!isOfSession(session, bytes)) {
      throw this.invalid('it belongs to another session');
    }
  }

  u8(): number {
    return this.take(1)[0] as number;
  }

  u16(): number {
    const [high, low] = this.take(2);
    return ((high as number) << 8) | (low as number);
  }

  /** A copy of the next `length` bytes. */
  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) {
      throw this.invalid(`${this.#bytes.length} bytes are too few, at least ${this.#at + length} are needed`);
    }
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  /** `count` pieces of `length` bytes each. */
  takeEach(count: number, length: number): Uint8Array[] {
    return Array.from({ length: count }, () => this.take(length));
  }

  /** Everything but the last `tail` bytes. */
  takeAllBut(tail: number): Uint8Array {
    return this.take(Math.max(0, this.#bytes.length - this.#at - tail));
  }

  /** Ascending numbers below `size`. */
  bitmap(size: number): number[] {
    const members = membersOf(this.take(Math.ceil(size / 8)));
    if ((members.at(-1) ?? 0) >= size && size > 0) throw this.invalid('the padding of a bitmap must be zero bits');
    return members;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) {
      throw this.invalid(`${this.#bytes.length} bytes, expected ${this.#at}`);
    }
  }

  invalid(problem: string): InvalidInputError {
    return new InvalidInputError(`${this.#kind} message: ${problem}`, { code: 'invalid_encoding' });
  }
}
