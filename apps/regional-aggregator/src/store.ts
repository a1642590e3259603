import { type Database, OutboxRepository, RegionRepository, type Session } from '@fedcarbon/persistence';

/** What one region reads and writes. */
export interface RegionRecords {
  readonly rounds: RegionRepository;
  readonly outbox: OutboxRepository;
}

export interface RegionStore {
  /** Each statement on its own. */
  readonly records: RegionRecords;
  transaction<T>(work: (records: RegionRecords) => Promise<T>): Promise<T>;
}

export function storeOf(database: Database, region: string): RegionStore {
  const recordsOf = (session: Session): RegionRecords => ({
    rounds: new RegionRepository(session, region),
    outbox: new OutboxRepository(session, `region:${region}`),
  });
  return {
    records: recordsOf(database.session),
    transaction: (work) => database.transaction((session) => work(recordsOf(session))),
  };
}
