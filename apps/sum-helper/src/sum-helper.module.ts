import { PATTERNS } from '@fedcarbon/contracts';
import { type Delivery, JETSTREAM } from '@fedcarbon/messaging';
import { JournalUnwritableError } from '@fedcarbon/service';
import { Controller, type DynamicModule, Inject, Module } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { SumHelper } from './sum-helper.ts';

const FAIL = Symbol('fail');
/** Ends the process: what must survive can no longer be written. */
export type Fail = (error: JournalUnwritableError) => void;

/** Requests of global-aggregator. */
@Controller()
export class RequestsConsumer {
  readonly #helper: SumHelper;
  readonly #fail: Fail;

  constructor(@Inject(SumHelper) helper: SumHelper, @Inject(FAIL) fail: Fail) {
    this.#helper = helper;
    this.#fail = fail;
  }

  @EventPattern(PATTERNS.maskingDown, JETSTREAM)
  async onRequest(@Payload() delivery: Delivery): Promise<void> {
    try {
      await this.#helper.onRequest(delivery);
    } catch (error) {
      if (error instanceof JournalUnwritableError) this.#fail(error);
      throw error;
    }
  }
}

@Module({})
export class SumHelperModule {
  static with(helper: SumHelper, health: DynamicModule, fail: Fail): DynamicModule {
    return {
      module: SumHelperModule,
      imports: [health],
      controllers: [RequestsConsumer],
      providers: [
        { provide: SumHelper, useValue: helper },
        { provide: FAIL, useValue: fail },
      ],
    };
  }
}
