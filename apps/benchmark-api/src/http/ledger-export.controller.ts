import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ledgerOrigin } from '@fedcarbon/contracts';
import { exportCheckpointLine, exportEntryLine, exportHeaderLine } from '@fedcarbon/ledger';
import { DatabaseUnavailableError, LedgerRepository, type Session } from '@fedcarbon/persistence';
import { problem } from '@fedcarbon/service';
import { Controller, Get, Inject, Res, UseGuards } from '@nestjs/common';
import { AccessGuard, Roles } from './access.guard.ts';
import { positionHeaders } from './send-answer.ts';
import { ServedPlan } from './served-plan.ts';

export const SESSION = Symbol('session');

/** The signed ledger, entry by entry from the database. */
@Controller('v1')
@UseGuards(AccessGuard)
export class LedgerExportController {
  readonly #served: ServedPlan;
  readonly #ledger: LedgerRepository;

  constructor(@Inject(ServedPlan) served: ServedPlan, @Inject(SESSION) session: Session) {
    this.#served = served;
    this.#ledger = new LedgerRepository(session);
  }

  /**
   * Everything that the last checkpoint covers: an entry that came later, such as a late charge, is exported once it is signed over. Entries never change,
   * so that is one consistent state without a long transaction.
   */
  @Get('ledger/export')
  @Roles('auditor', 'operator')
  async export(@Res() response: ServerResponse): Promise<void> {
    const size = (await this.#ledger.latestCheckpoint().catch(unavailable))?.size ?? 0;
    const { plan, planHash } = this.#served;
    response.writeHead(200, {
      'Content-Type': 'application/jsonl; charset=utf-8',
      'Content-Disposition': `attachment; filename="${plan.name}.ledger.jsonl"`,
      'Cache-Control': 'no-store',
      ...positionHeaders({ plan: { hash: planHash }, ledger: { size } }),
    });
    // A database that goes away half-way breaks the connection off, so that no reader takes a part for the whole; so does a reader that leaves.
    await pipeline(Readable.from(this.#lines(size)), response).catch(() => undefined);
  }

  async *#lines(size: number): AsyncGenerator<string> {
    yield `${exportHeaderLine(ledgerOrigin(this.#served.plan.keys.checkpoint), size)}\n`;
    for await (const entry of this.#ledger.entries(0, size)) yield `${exportEntryLine(entry)}\n`;
    for (const checkpoint of await this.#ledger.checkpoints()) {
      if (checkpoint.size <= size) yield `${exportCheckpointLine(checkpoint.note, checkpoint.size)}\n`;
    }
  }
}

function unavailable(error: unknown): never {
  if (!(error instanceof DatabaseUnavailableError)) throw error;
  throw problem(503, error.code, 'The database is away', 'the ledger is read from the database; ask again later');
}
