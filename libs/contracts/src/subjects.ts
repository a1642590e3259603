/**
 * Broker subjects and streams. The version of a message stands in its subject; a holder's rights end at subjects that carry its own name.
 *
 * | stream      | subjects                          | written by        | read by                        |
 * | FC_ROUND    | fc.v1.round.>                     | global-aggregator | regions, benchmark-api         |
 * | FC_DOWN     | fc.v1.down.<holder>.>             | regions; masking: | one durable consumer a holder  |
 * |             |                                   | global-aggregator |                                |
 * | FC_UP       | fc.v1.up.<region>.<holder>.>      | holders           | one durable consumer a region  |
 * | FC_REGIONAL | fc.v1.regional.<region>           | regions           | global-aggregator              |
 * | FC_MASKING  | fc.v1.masking.<holder>            | holders           | global-aggregator              |
 *
 * The helper of two servers (sum-helper) is reached as a holder of the name HELPER, in FC_DOWN, and answers in FC_MASKING.
 *
 * `fc.v1.accountant.<holder>.*` is request-reply without a stream: the answer lies in Postgres, so asking again is always right.
 */
export const SUBJECTS = {
  roundOpened: 'fc.v1.round.opened',
  roundClosed: 'fc.v1.round.closed',
  task: (holder: string) => `fc.v1.down.${holder}.task`,
  receipt: (holder: string) => `fc.v1.down.${holder}.receipt`,
  update: (region: string, holder: string) => `fc.v1.up.${region}.${holder}.update`,
  decline: (region: string, holder: string) => `fc.v1.up.${region}.${holder}.decline`,
  regionalReport: (region: string) => `fc.v1.regional.${region}`,
  /** Masking messages (MASKING_V1) of a holder to the global-aggregator, and back. */
  masking: (holder: string) => `fc.v1.masking.${holder}`,
  maskingDown: (holder: string) => `fc.v1.down.${holder}.masking`,
  /** To all holders at once; no holder can have this name. */
  maskingDownToAll: 'fc.v1.down._.masking',
  /** Request-reply from the operator (StartRequest). */
  controlStart: 'fc.v1.control.start',
  accountant: (holder: string, call: AccountantCall) => `fc.v1.accountant.${holder}.${call}`,
} as const;

/** Stands for the second server where subjects name a holder; no holder can have this name. */
export const HELPER = '_helper';

export type AccountantCall = 'reserve' | 'commit' | 'history';

/** Subject patterns under which services register their handlers. */
export const PATTERNS = {
  roundOpened: 'fc.v1.round.opened',
  roundClosed: 'fc.v1.round.closed',
  task: 'fc.v1.down.*.task',
  receipt: 'fc.v1.down.*.receipt',
  update: 'fc.v1.up.*.*.update',
  decline: 'fc.v1.up.*.*.decline',
  regionalReport: 'fc.v1.regional.*',
  masking: 'fc.v1.masking.*',
  maskingDown: 'fc.v1.down.*.masking',
  accountant: (call: AccountantCall) => `fc.v1.accountant.*.${call}`,
} as const;

/**
 * Streams bridge outages on disk. Masking messages of holders are kept in memory until they are read: whoever misses one after a crash of the broker asks for it
 * again, and a round waits for twenty of them twice.
 */
export const STREAMS = {
  round: { name: 'FC_ROUND', subjects: ['fc.v1.round.>'] },
  down: { name: 'FC_DOWN', subjects: ['fc.v1.down.*.>'] },
  up: { name: 'FC_UP', subjects: ['fc.v1.up.*.*.>'] },
  regional: { name: 'FC_REGIONAL', subjects: ['fc.v1.regional.*'] },
  masking: { name: 'FC_MASKING', subjects: ['fc.v1.masking.*'], inMemory: true },
} as const;

/** Durable consumers: who reads which part of which stream. `service` consumers are named after their reader. */
export const CONSUMERS = {
  regionRounds: (region: string) => ({
    stream: STREAMS.round.name,
    durable: `region-${region}`,
    filter: SUBJECTS.roundOpened,
  }),
  regionUpdates: (region: string) => ({
    stream: STREAMS.up.name,
    durable: `region-${region}`,
    filter: `fc.v1.up.${region}.*.>`,
  }),
  holder: (holder: string) => ({
    stream: STREAMS.down.name,
    durable: `holder-${holder}`,
    filter: [`fc.v1.down.${holder}.>`, SUBJECTS.maskingDownToAll],
  }),
  global: () => ({ stream: STREAMS.regional.name, durable: 'global-aggregator', filter: 'fc.v1.regional.*' }),
  helper: () => ({ stream: STREAMS.down.name, durable: 'sum-helper', filter: SUBJECTS.maskingDown(HELPER) }),
  masking: () => ({ stream: STREAMS.masking.name, durable: 'global-aggregator', filter: 'fc.v1.masking.*' }),
} as const;
export interface ConsumerSpec {
  readonly stream: string;
  readonly durable: string;
  /** Subjects that the consumer gets: one, or several that do not overlap. */
  readonly filter: string | readonly string[];
}

/** Broker user of a holder, a region or a service; reply inboxes are private to it. */
export const brokerUser = {
  holder: (holder: string) => `holder-${holder}`,
  region: (region: string) => `region-${region}`,
  service: (service: string) => `service-${service}`,
} as const;
export const inboxPrefix = (user: string): string => `_INBOX_${user}`;
