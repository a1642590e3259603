import {
  type ConsumerSpec,
  CONSUMERS,
  HELPER,
  PATTERNS,
  STREAMS,
  SUBJECTS,
  brokerUser,
  inboxPrefix,
} from '@fedcarbon/contracts';

/** What a broker user may do; everything else is refused. */
export interface BrokerRights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** May answer the requests that it receives, and nothing else beyond `publish`. */
  readonly allowResponses?: boolean;
}

/** Services, and the operator who starts a federation, with broker users of their own. */
export type BrokerService = 'global-aggregator' | 'privacy-accountant' | 'benchmark-api' | 'sum-helper' | 'operator';

/**
 * Reading one durable consumer: look it up, pull from it, acknowledge. Its filter, set by the global-aggregator, decides which messages that are.
 * Subjects as in the reference of the JetStream wire API (docs.nats.io, "NATS API Reference").
 */
const reading = (consumer: ConsumerSpec): readonly string[] => [
  `$JS.API.CONSUMER.INFO.${consumer.stream}.${consumer.durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.${consumer.stream}.${consumer.durable}`,
  `$JS.ACK.${consumer.stream}.${consumer.durable}.>`,
];

const ownInbox = (user: string) => `${inboxPrefix(user)}.>`;

/** Making streams and consumers, and keeping their settings; neither deleting them nor purging them. */
const administration: readonly string[] = [
  '$JS.API.INFO',
  ...Object.values(STREAMS).flatMap(({ name }) => [
    `$JS.API.STREAM.CREATE.${name}`,
    `$JS.API.STREAM.UPDATE.${name}`,
    `$JS.API.STREAM.INFO.${name}`,
    `$JS.API.CONSUMER.CREATE.${name}.>`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${name}.>`,
    `$JS.API.CONSUMER.INFO.${name}.*`,
  ]),
];

const services: Readonly<
  Record<BrokerService, Omit<BrokerRights, 'subscribe'> & { readonly subscribe: readonly string[] }>
> = {
  'global-aggregator': {
    publish: [
      SUBJECTS.roundOpened,
      SUBJECTS.roundClosed,
      PATTERNS.maskingDown,
      ...administration,
      ...reading(CONSUMERS.global()),
      ...reading(CONSUMERS.masking()),
    ],
    subscribe: [SUBJECTS.controlStart],
    allowResponses: true,
  },
  'privacy-accountant': { publish: [], subscribe: ['fc.v1.accountant.*.*'], allowResponses: true },
  'benchmark-api': { publish: [], subscribe: [SUBJECTS.roundClosed] },
  // As a holder of its name: it reads what is meant for it, and answers. Masked updates are what it must never see.
  'sum-helper': { publish: [SUBJECTS.masking(HELPER), ...reading(CONSUMERS.helper())], subscribe: [] },
  operator: { publish: [SUBJECTS.controlStart], subscribe: [] },
};

/**
 * Rights of each kind of broker user: its own subjects only. A holder's name stands in every subject it may use, so the broker itself keeps
 * holders from writing as, or reading, one another. (Signatures say who wrote a message; the broker is not trusted with that.)
 */
export const permissionsFor = {
  holder: (holder: string, region: string): BrokerRights => ({
    publish: [
      SUBJECTS.update(region, holder),
      SUBJECTS.decline(region, holder),
      SUBJECTS.masking(holder),
      SUBJECTS.accountant(holder, 'reserve'),
      SUBJECTS.accountant(holder, 'commit'),
      SUBJECTS.accountant(holder, 'history'),
      ...reading(CONSUMERS.holder(holder)),
    ],
    subscribe: [ownInbox(brokerUser.holder(holder))],
  }),
  region: (region: string, members: readonly string[]): BrokerRights => ({
    publish: [
      ...members.flatMap((holder) => [SUBJECTS.task(holder), SUBJECTS.receipt(holder)]),
      SUBJECTS.regionalReport(region),
      ...reading(CONSUMERS.regionRounds(region)),
      ...reading(CONSUMERS.regionUpdates(region)),
    ],
    subscribe: [ownInbox(brokerUser.region(region))],
  }),
  service: (service: BrokerService): BrokerRights => ({
    ...services[service],
    subscribe: [...services[service].subscribe, ownInbox(brokerUser.service(service))],
  }),
} as const;
