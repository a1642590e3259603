import { encodedLength } from '@fedcarbon/codec';
import { KEY_BYTES, SEED_BYTES, SIGNATURE_BYTES, TAG_BYTES } from './crypto.ts';
import { completeThreshold, type Graph } from './topology.ts';
import { HEADER_BYTES } from './v1/bytes-cursor.ts';

/** What double masking costs one client while nobody drops out. */
export interface MaskingCost {
  /** Masks that a client expands in a round: one for each neighbour and its own. */
  readonly masksPerRound: number;
  /** Shares that it gives in a round. */
  readonly sharesPerRound: number;
  /** Signatures that it verifies in a round; a member of the committee also makes one. */
  readonly signaturesPerRound: number;
  /** Sealed shares that it makes, and on average as many that it opens, once a block. */
  readonly sealedPerBlock: number;
  /** Bytes of message bodies per round, the block's setup spread over its rounds; of a member of the committee. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** The cost for vectors of `length` integers of `bits` bits, in blocks of `rounds` rounds with all `clients` of the plan. */
export function maskingCost({
  clients,
  rounds,
  graph,
  length,
  bits,
}: {
  readonly clients: number;
  readonly rounds: number;
  readonly graph: Graph;
  readonly length: number;
  readonly bits: number;
}): MaskingCost {
  const complete = graph.kind === 'complete';
  const degree = complete ? clients - 1 : graph.degree;
  const threshold = complete ? completeThreshold(clients) : graph.threshold;
  const bitmap = Math.ceil(clients / 8);
  const entry = KEY_BYTES * (rounds + 2) + SIGNATURE_BYTES;
  const sealedPerBlock = degree + 1 - threshold;
  const sealed = sealedPerBlock * (2 * SEED_BYTES * rounds + TAG_BYTES);
  const hello = HEADER_BYTES + entry + SEED_BYTES * rounds;
  // Member and flag, then the entry of a neighbour, or the digest of any other.
  const roster = HEADER_BYTES + 2 + 3 * clients + degree * entry + (clients - degree) * KEY_BYTES + SIGNATURE_BYTES;
  const ofRound = HEADER_BYTES + 2;
  return {
    masksPerRound: degree + 1,
    sharesPerRound: degree + 1,
    signaturesPerRound: threshold,
    sealedPerBlock,
    bytesUp:
      (hello + HEADER_BYTES + sealed) / rounds +
      (ofRound + encodedLength(length, bits)) +
      (ofRound + SIGNATURE_BYTES) +
      (ofRound + SEED_BYTES * (degree + 1)),
    bytesDown:
      (roster + HEADER_BYTES + bitmap + sealed) / rounds +
      (ofRound + bitmap) +
      (ofRound + 2 * bitmap + SIGNATURE_BYTES * threshold),
  };
}
