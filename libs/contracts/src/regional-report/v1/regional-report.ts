import { z } from 'zod';
import { Base64Url, ByteCounts, Name, PositiveInt, RoundId, Sha256Hex } from '../../primitives.ts';
import { Receipt } from '../../receipt/v1/receipt.ts';
import { Decline } from '../../decline/v1/decline.ts';
import { embedded, statementKind } from '../../signed.ts';

/** region -> global-aggregator: the modular sum of the accepted updates and every verdict. Signed by the region. One per round. */
export const RegionalReport = z.strictObject({
  planHash: Sha256Hex,
  roundId: RoundId,
  region: Name,
  /**
   * Packed modular sum (@fedcarbon/codec, v1); the sum of none is all zeros. Under trust `distributed` the `partial` message of @fedcarbon/secure-sum; empty
   * when nobody takes part.
   */
  aggregate: Base64Url,
  /** In order of holder. Exactly the accepted ones. */
  participants: z.array(z.strictObject({ holder: Name, attempt: PositiveInt, updateDigest: Sha256Hex })),
  /** Every receipt given up to now for this round. */
  verdicts: z.array(embedded(Receipt)),
  /** Holders that declined, as they signed it. */
  declined: z.array(embedded(Decline)),
  /** Between this region and its clients in this round so far. */
  bytes: ByteCounts,
});
export type RegionalReport = z.infer<typeof RegionalReport>;
export const REGIONAL_REPORT_V1 = statementKind('regional-report', 1, RegionalReport);
