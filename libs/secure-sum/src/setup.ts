import { concatBytes, equalBytes, InvalidInputError, type Signer } from '@fedcarbon/kernel';
import type { Block } from './block.ts';
import type { SecureSumCrypto } from './crypto.ts';
import type { BlockKeys } from './secrets.ts';
import { buildTopology, type Topology } from './topology.ts';
import {
  decodeRoster,
  entryDigest,
  type Hello,
  helloStatement,
  type RosterEntry,
  rosterHashOf,
  rosterStatement,
} from './v1/setup-messages.ts';

/** The clients of a block and their graph, as one party sees them. */
export interface Setup {
  readonly rosterHash: Uint8Array;
  readonly topology: Topology;
  /** Of the party's neighbours; the coordinator has all. */
  readonly entries: ReadonlyMap<number, RosterEntry>;
}

/** The hello that follows from a client's seed. */
export function helloOf(
  block: Block,
  member: number,
  seed: Uint8Array,
  { crypto, keys, signer }: { readonly crypto: SecureSumCrypto; readonly keys: BlockKeys; readonly signer: Signer },
): Hello {
  const rounds = Array.from({ length: block.rounds }, (_, round) => round);
  const commitments = rounds.map((round) => keys.selfSeedCommitment(keys.selfSeed(seed, round), member, round));
  const unsigned = {
    sessionKey: crypto.x25519PublicKey(keys.sessionPrivateKey(seed)),
    maskKeys: rounds.map((round) =>
      crypto.x25519PublicKey(keys.maskPrivateKey(keys.keySeed(seed, round), member, round)),
    ),
    commitmentsDigest: crypto.sha256(concatBytes(...commitments)),
  };
  return {
    entry: { ...unsigned, signature: signer.sign(helloStatement(block, member, unsigned)) },
    commitments,
  };
}

/** Throws InvalidInputError unless the entry is signed by the member's identity key for this session and plan. */
export function checkEntry(block: Block, member: number, entry: RosterEntry, crypto: SecureSumCrypto): void {
  const identity = block.members[member];
  if (!identity || !crypto.verifySignature(identity, helloStatement(block, member, entry), entry.signature)) {
    throw new InvalidInputError(`the hello of member ${member} is not signed by its key for this session and plan`, {
      code: 'bad_signature',
    });
  }
}

/** Reads rosters as one that was accepted before: nothing is checked but the form. Remembers the last one, since a sparse graph takes its time. */
export function setupReader(block: Block, crypto: SecureSumCrypto): (message: Uint8Array) => Setup {
  let last: { readonly message: Uint8Array; readonly setup: Setup } | undefined;
  return (message) => {
    if (!last || !equalBytes(last.message, message)) last = { message, setup: readSetup(block, message, crypto) };
    return last.setup;
  };
}

function readSetup(block: Block, message: Uint8Array, crypto: SecureSumCrypto): Setup {
  return setupOfMembers(block, decodeRoster(crypto.sha256, block, message).members, crypto);
}

/** What follows from the members of a roster, in ascending order. Entries may be left out of those that the reader has nothing to do with. */
export function setupOfMembers(
  block: Block,
  members: readonly { readonly member: number; readonly digest: Uint8Array; readonly entry?: RosterEntry }[],
  crypto: SecureSumCrypto,
): Setup {
  const rosterHash = rosterHashOf(crypto.sha256, block, members);
  return {
    rosterHash,
    topology: buildTopology(
      block.graph,
      members.map(({ member }) => member),
      rosterHash,
      crypto,
    ),
    entries: new Map(members.flatMap(({ member, entry }) => (entry ? [[member, entry] as const] : []))),
  };
}

/**
 * Reads a roster with all the checks that a client owes itself: the coordinator has signed it, it is large enough, it names the client's own hello
 * unchanged, and every neighbour's with a valid signature. Throws InvalidInputError.
 */
export function acceptRoster(
  block: Block,
  member: number,
  own: RosterEntry,
  message: Uint8Array,
  { rosterHash, topology, entries }: Setup,
  crypto: SecureSumCrypto,
): void {
  const { members, signature } = decodeRoster(crypto.sha256, block, message);
  if (!crypto.verifySignature(block.coordinatorKey, rosterStatement(rosterHash), signature)) {
    throw new InvalidInputError('the roster is not signed by the coordinator', { code: 'bad_signature' });
  }
  if (members.length < block.minSurvivors) {
    throw new InvalidInputError(`the roster has ${members.length} members, the plan needs ${block.minSurvivors}`);
  }
  const mine = members.find((one) => one.member === member);
  if (!mine || !equalBytes(mine.digest, entryDigest(crypto.sha256, own))) {
    throw new InvalidInputError('the roster does not hold what this client said hello with');
  }
  for (const neighbour of topology.neighbours(member)) {
    const entry = entries.get(neighbour);
    if (!entry) throw new InvalidInputError(`the roster holds only a digest of the neighbour ${neighbour}`);
    checkEntry(block, neighbour, entry, crypto);
  }
}

/** What keeps a set of survivors from being opened, or undefined: too few of them, of the committee or of some dealer's holders; or strangers. */
export function survivorsProblem(
  { minSurvivors }: Block,
  { threshold, holders, committee }: Topology,
  dealers: readonly number[],
  survivors: readonly number[],
): string | undefined {
  const alive = new Set(survivors);
  if (survivors.length < minSurvivors) return `${survivors.length} survivors, at least ${minSurvivors} are needed`;
  const dealing = new Set(dealers);
  const stranger = survivors.find((member) => !dealing.has(member));
  if (stranger !== undefined) return `member ${stranger} is among the survivors and has not dealt shares`;
  const among = (members: readonly number[]): number =>
    members.reduce((count, member) => count + (alive.has(member) ? 1 : 0), 0);
  if (among(committee) < threshold) {
    return `${among(committee)} who certify survivors are left, at least ${threshold} are needed`;
  }
  for (const dealer of dealers) {
    const left = among(holders(dealer));
    if (left < threshold) return `${left} holders of member ${dealer} survive, at least ${threshold} are needed`;
  }
  return undefined;
}
