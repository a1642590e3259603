import { concatBytes, type Sha256 } from '@fedcarbon/kernel';
import { type Block, type BlockStart, shareBytes } from '../block.ts';
import { context, KEY_BYTES, SEED_BYTES, SIGNATURE_BYTES, TAG_BYTES } from '../crypto.ts';
import { bitmapOf, BytesCursor, encodeMessage, u16 } from './bytes-cursor.ts';

const DIGEST_BYTES = 32;

/** What the peers need of a client: its keys, and its signature over them, the session and the plan. */
export interface RosterEntry {
  /** X25519 public key of the channels to the peers. */
  readonly sessionKey: Uint8Array;
  /** X25519 public key of each round. */
  readonly maskKeys: readonly Uint8Array[];
  /** SHA-256 of the commitments to the self seeds. */
  readonly commitmentsDigest: Uint8Array;
  /** By the client's identity key over `helloStatement`. */
  readonly signature: Uint8Array;
}

/** client -> coordinator: the client takes part in the block. `entry` (128 + 32 T bytes) | a commitment of 16 bytes for each round. */
export interface Hello {
  readonly entry: RosterEntry;
  /** Commitments to the self seeds, one a round; only the coordinator needs them. */
  readonly commitments: readonly Uint8Array[];
}

/**
 * coordinator -> client: who is in the block. Count u16, then for each member ascending: member u16 | 1 | entry, or member u16 | 0 | digest of the entry
 * where it is the receiver's own or that of no neighbour | coordinator's signature over `rosterStatement`.
 */
export interface Roster {
  readonly members: readonly {
    readonly member: number;
    /** SHA-256 of the encoded entry. */
    readonly digest: Uint8Array;
    readonly entry?: RosterEntry;
  }[];
  readonly signature: Uint8Array;
}

/** coordinator -> client: who has dealt shares (bitmap over the plan's members), and what those among them have sealed for the receiver, ascending. */
export interface Delivered {
  readonly dealers: readonly number[];
  readonly sealed: readonly Uint8Array[];
}

/**
 * coordinator -> client: another block begins. Number u16 | first round u16 | who is excluded (bitmap over the plan's members). The header is that of the
 * plan's first block: a client need not have heard of any other.
 */
export function encodeBlockStart(first: Block, { number, firstRound, excluded }: BlockStart): Uint8Array {
  const bitmap = bitmapOf(excluded, first.members.length);
  return encodeMessage('block', first.session, u16(number), u16(firstRound), bitmap);
}

export function decodeBlockStart(first: Block, bytes: Uint8Array): BlockStart {
  const cursor = new BytesCursor('block', first.session, bytes);
  const start = { number: cursor.u16(), firstRound: cursor.u16(), excluded: cursor.bitmap(first.members.length) };
  cursor.end();
  return start;
}

/** Length of the sealed shares of one client for one holder. */
export function sealedBytes(block: Block): number {
  return shareBytes(block) + TAG_BYTES;
}

/** What a client signs in its hello. */
export function helloStatement(block: Block, member: number, entry: Omit<RosterEntry, 'signature'>): Uint8Array {
  return concatBytes(
    context('hello', member),
    block.session,
    block.planHash,
    entry.sessionKey,
    ...entry.maskKeys,
    entry.commitmentsDigest,
  );
}

/** Hash that names a roster: everybody's keys, the session and the plan. It binds the sealed shares and the survivors' certificate. */
export function rosterHashOf(sha256: Sha256, block: Block, members: Roster['members']): Uint8Array {
  return sha256(
    concatBytes(
      context('roster', members.length),
      block.session,
      block.planHash,
      ...members.flatMap(({ member, digest }) => [u16(member), digest]),
    ),
  );
}

/** What the coordinator signs. */
export function rosterStatement(rosterHash: Uint8Array): Uint8Array {
  return concatBytes(context('roster-signature'), rosterHash);
}

/** SHA-256 that stands for an entry. */
export function entryDigest(sha256: Sha256, entry: RosterEntry): Uint8Array {
  return sha256(encodeEntry(entry));
}

export function encodeHello(block: Block, { entry, commitments }: Hello): Uint8Array {
  return encodeMessage('hello', block.session, encodeEntry(entry), ...commitments);
}

/** Throws InvalidInputError (`invalid_encoding`), as all decoders here do. The signature is not looked at. */
export function decodeHello(block: Block, bytes: Uint8Array): Hello {
  const cursor = new BytesCursor('hello', block.session, bytes);
  const entry = readEntry(cursor, block);
  const commitments = cursor.takeEach(block.rounds, SEED_BYTES);
  cursor.end();
  return { entry, commitments };
}

export function encodeRoster(block: Block, { members, signature }: Roster): Uint8Array {
  const parts = members.flatMap(({ member, digest, entry }) => [
    u16(member),
    Uint8Array.of(entry ? 1 : 0),
    entry ? encodeEntry(entry) : digest,
  ]);
  return encodeMessage('roster', block.session, u16(members.length), ...parts, signature);
}

export function decodeRoster(sha256: Sha256, block: Block, bytes: Uint8Array): Roster {
  const cursor = new BytesCursor('roster', block.session, bytes);
  const count = cursor.u16();
  let last = -1;
  const members = Array.from({ length: count }, () => {
    const member = cursor.u16();
    if (member <= last || member >= block.members.length) {
      throw cursor.invalid(`member ${member} after ${last}; the plan has ${block.members.length}, ascending`);
    }
    last = member;
    const flag = cursor.u8();
    if (flag > 1) throw cursor.invalid(`a flag must be 0 or 1, found ${flag}`);
    if (flag === 0) return { member, digest: cursor.take(DIGEST_BYTES) };
    const entry = readEntry(cursor, block);
    return { member, digest: entryDigest(sha256, entry), entry };
  });
  const signature = cursor.take(SIGNATURE_BYTES);
  cursor.end();
  return { members, signature };
}

/** client -> coordinator: sealed shares for the holders that are sent theirs, ascending. */
export function encodeShares(block: Block, sealed: readonly Uint8Array[]): Uint8Array {
  return encodeMessage('shares', block.session, ...sealed);
}

/** `count` is the number of holders that are sent their shares. */
export function decodeShares(block: Block, count: number, bytes: Uint8Array): Uint8Array[] {
  const cursor = new BytesCursor('shares', block.session, bytes);
  const sealed = cursor.takeEach(count, sealedBytes(block));
  cursor.end();
  return sealed;
}

export function encodeDelivered(block: Block, { dealers, sealed }: Delivered): Uint8Array {
  return encodeMessage('delivered', block.session, bitmapOf(dealers, block.members.length), ...sealed);
}

/** `senders` are those that send shares to the receiver, if they deal any. */
export function decodeDelivered(block: Block, senders: readonly number[], bytes: Uint8Array): Delivered {
  const cursor = new BytesCursor('delivered', block.session, bytes);
  const dealers = cursor.bitmap(block.members.length);
  const dealing = senders.filter((member) => dealers.includes(member));
  const sealed = cursor.takeEach(dealing.length, sealedBytes(block));
  cursor.end();
  return { dealers, sealed };
}

function encodeEntry({ sessionKey, maskKeys, commitmentsDigest, signature }: RosterEntry): Uint8Array {
  return concatBytes(sessionKey, ...maskKeys, commitmentsDigest, signature);
}

function readEntry(cursor: BytesCursor, { rounds }: Block): RosterEntry {
  return {
    sessionKey: cursor.take(KEY_BYTES),
    maskKeys: cursor.takeEach(rounds, KEY_BYTES),
    commitmentsDigest: cursor.take(DIGEST_BYTES),
    signature: cursor.take(SIGNATURE_BYTES),
  };
}
