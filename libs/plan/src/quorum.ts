import type { PlanFile } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';

/**
 * Whether rounds can be released at all. `members`: how many each region has, Infinity where only the stock tells.
 * Throws InvalidInputError, naming the key, when there are too few for the quorum, or too few are picked.
 */
export function checkQuorum(members: readonly number[], { quorum, clientsPerRegion }: PlanFile['round']): void {
  const atMost = (limit: number) => members.reduce((sum, count) => sum + Math.min(count, limit), 0);
  if (quorum > atMost(Infinity)) {
    throw new InvalidInputError(
      `round.quorum: ${String(quorum)} is more than the ${String(atMost(Infinity))} members of all regions`,
    );
  }
  if (clientsPerRegion === null) return;
  const picked = atMost(clientsPerRegion);
  if (quorum > picked) {
    throw new InvalidInputError(
      `round.clientsPerRegion: ${String(clientsPerRegion)} of each region make ${String(picked)} members a round, which never reaches the quorum of ${String(quorum)}; pick more or lower round.quorum`,
    );
  }
}
