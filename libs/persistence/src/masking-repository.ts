import { clientOf, type Session, toColumn } from './session.ts';

/** Something that the coordinator of the secure sum has been told or has decided. */
export interface MaskingFactRow {
  readonly fact: Uint8Array;
  /** Of the messages that brought it, and that it sent out. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly appendedAtMs: number;
}

/** The facts of the secure sum's coordinator, in order. Written by global-aggregator. */
export class MaskingRepository {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Facts of a plan from place `from` on, counted from 0. */
  async from(planHash: string, from: number): Promise<MaskingFactRow[]> {
    const rows = await clientOf(this.#session).maskingFact.findMany({
      where: { planHash, seq: { gte: from } },
      orderBy: { seq: 'asc' },
    });
    return rows.map(({ fact, bytesUp, bytesDown, appendedAt }) => ({
      fact,
      bytesUp: Number(bytesUp),
      bytesDown: Number(bytesDown),
      appendedAtMs: appendedAt.getTime(),
    }));
  }

  /** Adds facts behind the first `from` of the plan, which the caller has seen all of: it holds the plan's lock. */
  async append(planHash: string, from: number, facts: readonly MaskingFactRow[]): Promise<void> {
    await clientOf(this.#session).maskingFact.createMany({
      data: facts.map(({ fact, bytesUp, bytesDown, appendedAtMs }, i) => ({
        planHash,
        seq: from + i,
        fact: toColumn(fact),
        bytesUp,
        bytesDown,
        appendedAt: new Date(appendedAtMs),
      })),
    });
  }
}
