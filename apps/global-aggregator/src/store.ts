import {
  ChargeRepository,
  type Database,
  LedgerRepository,
  MaskingRepository,
  OutboxRepository,
  PlanRepository,
  PublishedRepository,
  RoundRepository,
  type Session,
  sqlIn,
  type SqlSession,
} from '@fedcarbon/persistence';

/** Everything that the global tier reads and writes. */
export interface Records {
  readonly plans: PlanRepository;
  readonly rounds: RoundRepository;
  readonly masking: MaskingRepository;
  readonly published: PublishedRepository;
  readonly charges: ChargeRepository;
  readonly ledger: LedgerRepository;
  readonly outbox: OutboxRepository;
}

export interface Store {
  /** Each statement on its own. */
  readonly records: Records;
  /** READ COMMITTED; `work` may run for nothing when the database goes away, so it is repeated by its caller. */
  transaction<T>(work: (records: Records) => Promise<T>): Promise<T>;
  /** The same for the secure sum alone: most of its steps are small, and this costs a fraction. */
  maskingTransaction<T>(work: (masking: MaskingRepository) => Promise<T>): Promise<T>;
}

export function storeOf(database: Database, planHash: string): Store {
  return {
    records: recordsOf(database.session, database.sql, planHash),
    transaction: (work) => database.transaction((session) => work(recordsOf(session, sqlIn(session), planHash))),
    maskingTransaction: (work) => database.sql.transaction((sql) => work(new MaskingRepository(sql, planHash))),
  };
}

function recordsOf(session: Session, sql: SqlSession, planHash: string): Records {
  return {
    plans: new PlanRepository(session),
    rounds: new RoundRepository(sql),
    masking: new MaskingRepository(sql, planHash),
    published: new PublishedRepository(session),
    charges: new ChargeRepository(session),
    ledger: new LedgerRepository(session),
    outbox: new OutboxRepository(sql, 'global'),
  };
}
