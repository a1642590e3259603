import { parseStrict, PATTERNS, PositionRequest } from '@fedcarbon/contracts';
import { type Delivery, JETSTREAM } from '@fedcarbon/messaging';
import type { Accountant } from '@fedcarbon/privacy';
import { JournalUnwritableError, problem } from '@fedcarbon/service';
import {
  Body,
  Controller,
  type DynamicModule,
  Get,
  Header,
  HttpCode,
  Inject,
  Module,
  Param,
  Post,
  Req,
} from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { Holder } from './holder.ts';
import { type HolderView, journalView } from './holder-view.ts';
import type { HolderPosition } from './on-device/position.ts';

const PARTS = Symbol('parts');

export interface AppParts {
  readonly holders: readonly Holder[];
  readonly epsilons: Accountant;
  readonly health: DynamicModule;
  /** Ends the process: what must survive can no longer be written. */
  readonly fail: (error: JournalUnwritableError) => void;
}

/** Hands each delivery to the holder whose consumer brought it. */
@Controller()
export class DeliveriesConsumer {
  readonly #holders: ReadonlyMap<string, Holder>;
  readonly #fail: AppParts['fail'];

  constructor(@Inject(PARTS) { holders, fail }: AppParts) {
    this.#holders = new Map(holders.map((holder) => [holder.name, holder]));
    this.#fail = fail;
  }

  @EventPattern(PATTERNS.task, JETSTREAM)
  async onTask(@Payload() delivery: Delivery): Promise<void> {
    await this.#guarded(this.#holders.get(delivery.owner)?.trainer.onTask(delivery));
  }

  @EventPattern(PATTERNS.receipt, JETSTREAM)
  async onReceipt(@Payload() delivery: Delivery): Promise<void> {
    await this.#guarded(this.#holders.get(delivery.owner)?.trainer.onReceipt(delivery));
  }

  @EventPattern(PATTERNS.maskingDown, JETSTREAM)
  async onMasking(@Payload() delivery: Delivery): Promise<void> {
    await this.#guarded(this.#holders.get(delivery.owner)?.masking?.onMessage(delivery));
  }

  async #guarded(work: Promise<void> | undefined): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (error instanceof JournalUnwritableError) this.#fail(error);
      throw error;
    }
  }
}

/** The part of Express's request that is used here. */
interface HttpRequest {
  readonly socket: { readonly remoteAddress?: string };
  readonly headers: { readonly host?: string };
}

/** For the holder itself, that is callers on the same machine only: it says things that are nobody else's business. */
@Controller('v1/holders')
export class HoldersController {
  readonly #parts: AppParts;

  constructor(@Inject(PARTS) parts: AppParts) {
    this.#parts = parts;
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  holders(@Req() request: HttpRequest): { holders: HolderView[] } {
    requireLocal(request);
    const { holders, epsilons } = this.#parts;
    return {
      holders: holders.map((holder) => {
        const { member, region } = holder.trainer.membership;
        return {
          holder: holder.name,
          dataset: member.dataset,
          region,
          status: holder.status(),
          secureSum: secureSumStatus(holder),
          ...journalView(holder.journal.state, holder.config.cap, epsilons),
          bytesSent: holder.sender.bytesSent,
          deliveries: holder.server.counts,
          rejectedRows: holder.records.rejected,
        };
      }),
    };
  }

  /** A building of the holder, by its own model. It is neither stored nor logged. */
  @Post(':holder/position')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  position(@Param('holder') name: string, @Body() body: unknown, @Req() request: HttpRequest): HolderPosition {
    requireLocal(request);
    const holder = this.#parts.holders.find((candidate) => candidate.name === name);
    if (holder === undefined) {
      throw problem(404, 'not_found', 'Not found', `there is no holder "${name}" here; /v1/holders lists them`);
    }
    return holder.onDevice.position(parseStrict(PositionRequest, body, 'body'));
  }
}

/**
 * Throws a 403 problem for a caller on another machine, and for one that names this machine in another way than as itself: a web page that the holder's
 * browser has open may have its own name resolve to this machine, and would read the answer (DNS rebinding).
 */
function requireLocal({ socket, headers }: HttpRequest): void {
  const local = /^(::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '');
  if (local && /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(headers.host ?? '')) return;
  throw problem(
    403,
    'local_only',
    'Local only',
    'this page is for callers on the same machine, at 127.0.0.1 or localhost',
  );
}

function secureSumStatus({ masking }: Holder): string | null {
  return masking === undefined ? null : (masking.out ?? (masking.ready ? 'ready' : 'joining'));
}

@Module({})
export class AppModule {
  static with(parts: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [parts.health],
      controllers: [DeliveriesConsumer, HoldersController],
      providers: [{ provide: PARTS, useValue: parts }],
    };
  }
}
