import type { Block } from './block.ts';
import { clientOfBlocks, coordinatorOfBlocks, standingOf } from './blocks.ts';
import { restore } from './machine.ts';
import type { SecureSum } from './secure-sum.ts';

/**
 * The secure sum by double masking: one coordinator, which may lie; any clients may drop out as long as a threshold of every client's holders answers.
 * It begins with the block `first`; another one follows when a round has named bad dealers.
 */
export function doubleMasking(first: Block): SecureSum {
  return {
    kind: 'double-masking',
    sealedBytes: 0,
    client: (member, dependencies, facts = []) =>
      restore(clientOfBlocks(first, member, dependencies), standingOf, facts),
    coordinator: (dependencies, facts = []) =>
      restore(coordinatorOfBlocks(first, dependencies), ({ party }) => party.standing, facts),
  };
}
