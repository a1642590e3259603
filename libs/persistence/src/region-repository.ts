import type { Verdict } from '@fedcarbon/contracts';
import type { RegionRound } from './generated/client.ts';
import { clientOf, type Session } from './session.ts';

export interface NewRegionRound {
  readonly roundId: string;
  readonly planHash: string;
  /** The signed `round.opened` bytes, as they are forwarded. */
  readonly task: Uint8Array;
  readonly taskSignature: Uint8Array;
  readonly picked: readonly string[];
  readonly deadlineAtMs: number;
}
export interface RegionRoundRow extends NewRegionRound {
  readonly region: string;
  readonly status: 'collecting' | 'reported';
  /** The signed report, once there is one. */
  readonly report?: Uint8Array | undefined;
  readonly reportSignature?: Uint8Array | undefined;
}
export interface RegionUpdateRow {
  readonly roundId: string;
  readonly holder: string;
  readonly attempt: number;
  readonly updateDigest: string;
  /** Packed integers. */
  readonly payload: Uint8Array;
  readonly verdict: Verdict;
  readonly reason?: string | undefined;
  readonly receipt: Uint8Array;
  readonly receiptSignature: Uint8Array;
  readonly receivedAtMs: number;
}
export interface DeclinedRow {
  readonly roundId: string;
  readonly holder: string;
  readonly decline: Uint8Array;
  readonly signature: Uint8Array;
  readonly receivedAtMs: number;
}

/** What one regional aggregator knows of its rounds, to read. What changes them is in regional-aggregator, in statements of its own. */
export class RegionRepository {
  readonly #session: Session;
  readonly #region: string;

  constructor(session: Session, region: string) {
    this.#session = session;
    this.#region = region;
  }

  async round(roundId: string): Promise<RegionRoundRow | undefined> {
    const row = await clientOf(this.#session).regionRound.findUnique({
      where: { region_roundId: { region: this.#region, roundId } },
    });
    return row === null ? undefined : toRound(row);
  }

  /** Rounds not yet reported, by deadline: what to take up again after a start. */
  async collecting(): Promise<RegionRoundRow[]> {
    const rows = await clientOf(this.#session).regionRound.findMany({
      where: { region: this.#region, status: 'collecting' },
      orderBy: { deadlineAt: 'asc' },
    });
    return rows.map(toRound);
  }

  /** Who has answered, without the payloads: holders with an accepted update or a decline. */
  async answered(roundId: string): Promise<Set<string>> {
    const client = clientOf(this.#session);
    const where = { region: this.#region, roundId };
    const accepted = await client.regionUpdate.findMany({
      where: { ...where, verdict: 'accepted' },
      select: { holder: true },
    });
    const declined = await client.regionDeclined.findMany({ where, select: { holder: true } });
    return new Set([...accepted, ...declined].map(({ holder }) => holder));
  }
}

function toRound(row: RegionRound): RegionRoundRow {
  const { region, roundId, planHash, task, taskSignature, picked, deadlineAt, report, reportSignature } = row;
  return {
    region,
    roundId,
    planHash,
    task,
    taskSignature,
    picked,
    deadlineAtMs: deadlineAt.getTime(),
    // A check constraint allows no other.
    status: row.status as RegionRoundRow['status'],
    report: report ?? undefined,
    reportSignature: reportSignature ?? undefined,
  };
}
