import { PATTERNS } from '@fedcarbon/contracts';
import { InvalidInputError } from '@fedcarbon/kernel';
import { type Delivery, JETSTREAM } from '@fedcarbon/messaging';
import { Controller, type DynamicModule, Inject, Module } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { RegionCollector } from './region-collector.ts';

const COLLECTORS = Symbol('collectors');
type Collectors = ReadonlyMap<string, RegionCollector>;

/** Hands each delivery to the region whose consumer brought it. */
@Controller()
export class DeliveriesController {
  readonly #collectors: Collectors;

  constructor(@Inject(COLLECTORS) collectors: Collectors) {
    this.#collectors = collectors;
  }

  @EventPattern(PATTERNS.roundOpened, JETSTREAM)
  onRoundOpened(@Payload() delivery: Delivery): Promise<void> {
    return this.#of(delivery).onRoundOpened(delivery);
  }

  @EventPattern(PATTERNS.update, JETSTREAM)
  onUpdate(@Payload() delivery: Delivery): Promise<void> {
    return this.#of(delivery).onUpdate(delivery);
  }

  @EventPattern(PATTERNS.decline, JETSTREAM)
  onDecline(@Payload() delivery: Delivery): Promise<void> {
    return this.#of(delivery).onDecline(delivery);
  }

  #of({ owner }: Delivery): RegionCollector {
    const collector = this.#collectors.get(owner);
    if (collector === undefined) throw new InvalidInputError(`region ${owner} is not served here`);
    return collector;
  }
}

@Module({})
export class RegionalAggregatorModule {
  static with(collectors: Collectors, health: DynamicModule): DynamicModule {
    return {
      module: RegionalAggregatorModule,
      imports: [health],
      controllers: [DeliveriesController],
      providers: [{ provide: COLLECTORS, useValue: collectors }],
    };
  }
}
