import { PATTERNS, type StartReply, SUBJECTS } from '@fedcarbon/contracts';
import { type Delivery, JETSTREAM, REQUEST_REPLY, type SignedRequest } from '@fedcarbon/messaging';
import { Controller, type DynamicModule, Inject, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { FederationRunner } from './federation-runner.ts';

/** What comes in from the regions and from the operator. */
@Controller()
export class FederationController {
  readonly #runner: FederationRunner;

  constructor(@Inject(FederationRunner) runner: FederationRunner) {
    this.#runner = runner;
  }

  @EventPattern(PATTERNS.regionalReport, JETSTREAM)
  onReport(@Payload() delivery: Delivery): Promise<void> {
    // `fc.v1.regional.<region>`: the broker lets a region publish under its own name only, and its signature is checked as well.
    return this.#runner.onReport(delivery.subject.split('.')[3] ?? '', delivery);
  }

  @EventPattern(PATTERNS.masking, JETSTREAM)
  onMasking(@Payload() delivery: Delivery): Promise<void> {
    // `fc.v1.masking.<holder>`: likewise.
    return this.#runner.onMasking(delivery.subject.split('.')[3] ?? '', delivery);
  }

  @MessagePattern(SUBJECTS.controlStart, REQUEST_REPLY)
  onStart(@Payload() request: SignedRequest): Promise<StartReply> {
    return this.#runner.onStartRequest(request);
  }
}

@Module({})
export class GlobalAggregatorModule {
  static with(runner: FederationRunner, health: DynamicModule): DynamicModule {
    return {
      module: GlobalAggregatorModule,
      imports: [health],
      controllers: [FederationController],
      providers: [{ provide: FederationRunner, useValue: runner }],
    };
  }
}
