import { z } from 'zod';
import { Sha256Hex } from '../../primitives.ts';
import { statementKind } from '../../signed.ts';

/** operator -> global-aggregator, request-reply: open the first round of this plan. Signed by `plan.operatorKey`. Asking again is harmless. */
export const StartRequest = z.strictObject({ planHash: Sha256Hex });
export type StartRequest = z.infer<typeof StartRequest>;
export const START_REQUEST_V1 = statementKind('start-request', 1, StartRequest);

export const StartReply = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('started') }),
  z.strictObject({ kind: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type StartReply = z.infer<typeof StartReply>;
