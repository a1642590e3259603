import { healthModule } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import type { FederationRunner } from './federation-runner.ts';
import { FederationController, GlobalAggregatorModule } from './global-aggregator.module.ts';

describe('GlobalAggregatorModule', () => {
  it('hands a report to the federation under the name in its subject', async () => {
    const regions: string[] = [];
    const runner = {
      onReport: (region: string) => Promise.resolve(void regions.push(region)),
      onStartRequest: () => Promise.resolve({ kind: 'started' as const }),
    } as unknown as FederationRunner;
    const health = healthModule({ ready: () => Promise.resolve({ database: true as const }) });
    const module = await Test.createTestingModule({ imports: [GlobalAggregatorModule.with(runner, health)] }).compile();
    const controller = module.get(FederationController);
    const bytes = { payload: new Uint8Array(), signature: new Uint8Array() };
    await controller.onReport({
      ...{ owner: 'global-aggregator', subject: 'fc.v1.regional.north', ...bytes },
      ...{ deliveryCount: 1, sequence: 1 },
    });
    expect(regions).toEqual(['north']);
    expect(await controller.onStart({ owner: 'g', subject: 's', ...bytes })).toEqual({ kind: 'started' });
    await module.close();
  });
});
