import { describe, expect, it } from '@jest/globals';
import { encodedLength } from '@fedcarbon/codec';
import { InvalidInputError, toHex } from '@fedcarbon/kernel';
import fc from 'fast-check';
import { blockOf, nodeSuite, seededRandom } from '../federation.support.ts';
import { kindOf, type MessageKind } from './bytes-cursor.ts';
import { decodeMaskSum, decodeSeeds, encodeMaskSum, encodeSeeds, SEALED_SEED_BYTES } from './helper-messages.ts';
import * as round from './round-messages.ts';
import * as setup from './setup-messages.ts';

const block = blockOf(10, { rounds: 3 });
const { sha256 } = nodeSuite.crypto;
const random = seededRandom('messages');
const bytes = (length: number): Uint8Array => random.bytes(length);
const each = (count: number, length: number): Uint8Array[] => Array.from({ length: count }, () => bytes(length));
const entry = (): setup.RosterEntry => ({
  sessionKey: bytes(32),
  maskKeys: each(3, 32),
  commitmentsDigest: bytes(32),
  signature: bytes(64),
});
const values = Uint32Array.of(1, 4095, 0, 7);
const members = [0, 3, 9];
const full = entry();

/** One message of each kind: its encoding, and its decoding written again. */
const MESSAGES: { kind: MessageKind; encoded: Uint8Array; again: (encoded: Uint8Array) => Uint8Array }[] = [
  {
    kind: 'hello',
    encoded: setup.encodeHello(block, { entry: entry(), commitments: each(3, 16) }),
    again: (encoded) => setup.encodeHello(block, setup.decodeHello(block, encoded)),
  },
  {
    kind: 'roster',
    encoded: setup.encodeRoster(block, {
      members: [
        { member: 1, digest: setup.entryDigest(sha256, full), entry: full },
        { member: 8, digest: bytes(32) },
      ],
      signature: bytes(64),
    }),
    again: (encoded) => setup.encodeRoster(block, setup.decodeRoster(sha256, block, encoded)),
  },
  {
    kind: 'shares',
    encoded: setup.encodeShares(block, each(9, setup.sealedBytes(block))),
    again: (encoded) => setup.encodeShares(block, setup.decodeShares(block, 9, encoded)),
  },
  {
    kind: 'delivered',
    encoded: setup.encodeDelivered(block, { dealers: members, sealed: each(2, setup.sealedBytes(block)) }),
    again: (encoded) => setup.encodeDelivered(block, setup.decodeDelivered(block, [1, 3, 9], encoded)),
  },
  {
    kind: 'masked',
    encoded: round.encodeMasked(block, { round: 2, bits: 12, values, sealed: bytes(64) }),
    again: (encoded) => round.encodeMasked(block, round.decodeMasked(block, 64, encoded)),
  },
  {
    kind: 'partial',
    encoded: round.encodePartial(block, { round: 2, members, bits: 12, values, sealed: each(3, 64) }),
    again: (encoded) => round.encodePartial(block, round.decodePartial(block, 64, encoded)),
  },
  {
    kind: 'survivors',
    encoded: round.encodeSurvivors(block, { round: 0, survivors: members }),
    again: (encoded) => round.encodeSurvivors(block, round.decodeSurvivors(block, encoded)),
  },
  {
    kind: 'consent',
    encoded: round.encodeConsent(block, { round: 1, signature: bytes(64) }),
    again: (encoded) => round.encodeConsent(block, round.decodeConsent(block, encoded)),
  },
  {
    kind: 'unmask',
    encoded: round.encodeUnmask(block, { round: 1, survivors: members, signers: [3, 9], signatures: each(2, 64) }),
    again: (encoded) => round.encodeUnmask(block, round.decodeUnmask(block, encoded)),
  },
  {
    kind: 'answer',
    encoded: round.encodeAnswer(block, { round: 1, shares: each(10, 16) }),
    again: (encoded) => round.encodeAnswer(block, round.decodeAnswer(block, 10, encoded)),
  },
  {
    kind: 'seeds',
    encoded: encodeSeeds(block, {
      round: 1,
      bits: 12,
      length: 70_000,
      survivors: members,
      sealed: each(3, SEALED_SEED_BYTES),
    }),
    again: (encoded) => encodeSeeds(block, decodeSeeds(block, encoded)),
  },
  {
    kind: 'maskSum',
    encoded: encodeMaskSum(block, { round: 1, unreadable: members, bits: 12, values }),
    again: (encoded) => encodeMaskSum(block, decodeMaskSum(block, encoded)),
  },
];

function readAgain({ again }: (typeof MESSAGES)[number], encoded: Uint8Array): Uint8Array | undefined {
  try {
    return again(encoded);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    return undefined;
  }
}

describe.each(MESSAGES)('a $kind message, version 1', (message) => {
  const { kind, encoded, again } = message;

  it('begins with version, kind and session, and reads back', () => {
    expect(kindOf(encoded)).toBe(kind);
    expect(toHex(encoded.subarray(2, 10))).toBe(toHex(block.session.subarray(0, 8)));
    expect(again(encoded)).toEqual(encoded);
  });

  it('is refused when cut short, made longer, or of another version, kind or session', () => {
    for (let length = 0; length < encoded.length; length += 1 + (length >> 4)) {
      expect(() => again(encoded.subarray(0, length))).toThrow(InvalidInputError);
    }
    expect(() => again(Uint8Array.of(...encoded, 0))).toThrow(InvalidInputError);
    for (let at = 0; at < 10; at++) {
      expect(() => again(Uint8Array.from(encoded, (byte, i) => (i === at ? byte ^ 1 : byte)))).toThrow(
        InvalidInputError,
      );
    }
  });

  it('with any bit flipped is refused or is the one encoding of something else', () => {
    fc.assert(
      fc.property(fc.nat(8 * encoded.length - 1), (bit) => {
        const flipped = Uint8Array.from(encoded, (byte, i) => (i === bit >> 3 ? byte ^ (0x80 >> (bit & 7)) : byte));
        const read = readAgain(message, flipped);
        if (read !== undefined) expect(read).toEqual(flipped);
      }),
      { numRuns: 200 },
    );
  });
});

describe('masked messages', () => {
  it('have the payload ceil(p b / 8) + 5 and 12 bytes around it', () => {
    for (const [length, bits] of [
      [51, 10],
      [124, 10],
      [48, 12],
    ] as const) {
      // prettier-ignore
      const encoded = round.encodeMasked(block, { round: 0, bits, values: new Uint32Array(length), sealed: bytes(0) });
      expect(encoded).toHaveLength(12 + Math.ceil((length * bits) / 8) + 5);
      expect(encodedLength(length, bits)).toBe(encoded.length - 12);
    }
  });
});

describe('rosters', () => {
  it('name ascending members of the plan, with flags 0 or 1', () => {
    const encode = (...list: number[]) =>
      setup.encodeRoster(block, {
        members: list.map((member) => ({ member, digest: bytes(32) })),
        signature: bytes(64),
      });
    const decode = (encoded: Uint8Array) => setup.decodeRoster(sha256, block, encoded);
    expect(() => decode(encode(3, 3))).toThrow(/member 3 after 3/);
    expect(() => decode(encode(3, 2))).toThrow(/member 2 after 3/);
    expect(() => decode(encode(10))).toThrow(/the plan has 10/);
    const flagged = encode(1);
    flagged[14] = 2;
    expect(() => decode(flagged)).toThrow(/flag must be 0 or 1/);
  });
});
