import type { Block } from './block.ts';
import { coordinatorStanding } from './coordinator-state.ts';
import { restore } from './machine.ts';
import { clientStanding, maskingClient } from './masking-client.ts';
import { maskingCoordinator } from './masking-coordinator.ts';
import type { SecureSum } from './secure-sum.ts';

/** The secure sum by double masking: one coordinator, which may lie; any clients may drop out as long as a threshold of every client's holders answers. */
export function doubleMasking(block: Block): SecureSum {
  return {
    kind: 'double-masking',
    sealedBytes: 0,
    client: (member, dependencies, facts = []) =>
      restore(maskingClient(block, member, dependencies), clientStanding, facts),
    coordinator: (dependencies, facts = []) =>
      restore(maskingCoordinator(block, dependencies), coordinatorStanding, facts),
  };
}
