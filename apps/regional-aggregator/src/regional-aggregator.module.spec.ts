import { healthModule } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import type { RegionCollector } from './region-collector.ts';
import { DeliveriesController, RegionalAggregatorModule } from './regional-aggregator.module.ts';

describe('RegionalAggregatorModule', () => {
  it('hands a delivery to its region, and refuses one of a region that is not served here', async () => {
    const seen: unknown[] = [];
    const north = { onUpdate: (delivery: unknown) => Promise.resolve(void seen.push(delivery)) } as RegionCollector;
    const health = healthModule({ ready: () => Promise.resolve({ database: true as const }) });
    const module = await Test.createTestingModule({
      imports: [RegionalAggregatorModule.with(new Map([['north', north]]), health)],
    }).compile();
    const controller = module.get(DeliveriesController);
    const bytes = new Uint8Array();
    const delivery = { owner: 'north', subject: 's', payload: bytes, signature: bytes, deliveryCount: 1, sequence: 1 };
    await controller.onUpdate(delivery);
    expect(seen).toEqual([delivery]);
    expect(() => controller.onUpdate({ ...delivery, owner: 'south' })).toThrow(/not served here/);
    await module.close();
  });
});
