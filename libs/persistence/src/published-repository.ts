import { clientOf, type Session, toColumn } from './session.ts';

export interface NewModel {
  readonly planHash: string;
  readonly roundId: string;
  readonly weights: Uint8Array;
  readonly digest: string;
  /** Largest epsilon over the plan's clients. */
  readonly epsilon: number;
  /** Released model rounds so far. */
  readonly rounds: number;
  readonly createdAtMs: number;
}
export interface ModelRow extends NewModel {
  readonly version: number;
}
export interface NewBenchmarkRelease {
  readonly planHash: string;
  readonly roundId: string;
  /** Packed aggregate of the benchmarks round. */
  readonly counts: Uint8Array;
  readonly digest: string;
  /** Standard deviation of the noise in each cell of the sum. */
  readonly noiseSd: number;
  readonly participants: number;
  readonly epsilon: number;
  readonly createdAtMs: number;
}
export interface BenchmarkReleaseRow extends NewBenchmarkRelease {
  readonly version: number;
}

/** Models and benchmark releases. Written by global-aggregator, read by benchmark-api. */
export class PublishedRepository {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Publishes a model and returns its version. A second one of the same round is refused by the database. */
  async publishModel({ createdAtMs, weights, ...columns }: NewModel): Promise<number> {
    const { version } = await clientOf(this.#session).model.create({
      data: { ...columns, weights: toColumn(weights), createdAt: new Date(createdAtMs) },
      select: { version: true },
    });
    return Number(version);
  }

  /** Publishes a benchmark release and returns its version. A second one of the same round is refused by the database. */
  async publishBenchmarks({ createdAtMs, counts, ...columns }: NewBenchmarkRelease): Promise<number> {
    const { version } = await clientOf(this.#session).benchmarkRelease.create({
      data: { ...columns, counts: toColumn(counts), createdAt: new Date(createdAtMs) },
      select: { version: true },
    });
    return Number(version);
  }

  /** All models after version `after`, oldest first; of one plan when `planHash` is given. */
  async models({ planHash, after = 0 }: { planHash?: string; after?: number } = {}): Promise<ModelRow[]> {
    const rows = await clientOf(this.#session).model.findMany({
      where: { version: { gt: after }, ...(planHash === undefined ? {} : { planHash }) },
      orderBy: { version: 'asc' },
    });
    return rows.map(fromRow);
  }

  /** All benchmark releases after version `after`, oldest first; of one plan when `planHash` is given. */
  async benchmarkReleases({ planHash, after = 0 }: { planHash?: string; after?: number } = {}): Promise<
    BenchmarkReleaseRow[]
  > {
    const rows = await clientOf(this.#session).benchmarkRelease.findMany({
      where: { version: { gt: after }, ...(planHash === undefined ? {} : { planHash }) },
      orderBy: { version: 'asc' },
    });
    return rows.map(fromRow);
  }
}

function fromRow<Row extends { version: bigint; createdAt: Date }>({ version, createdAt, ...row }: Row) {
  return { ...row, version: Number(version), createdAtMs: createdAt.getTime() };
}
