import type { FederationPlan } from '@fedcarbon/contracts';
import type { Session } from '@fedcarbon/persistence';
import { healthModule, ProblemError } from '@fedcarbon/service';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import type { ServerResponse } from 'node:http';
import { AppModule } from './app.module.ts';
import type { AskedRequest } from './http/access.guard.ts';
import { ApiKeys } from './http/api-keys.ts';
import { ServedPlan } from './http/served-plan.ts';
import { V1Controller } from './http/v1.controller.ts';

async function controllerFor(trust: 'local' | 'none') {
  const plan = {
    name: 'example',
    stock: { target: 'x', data: { kind: 'private' } },
    privacy: { trust, secureSum: null },
    regions: [],
  } as unknown as FederationPlan;
  const module = await Test.createTestingModule({
    imports: [
      AppModule.with({
        served: new ServedPlan(plan, '00', { current: undefined }),
        keys: new ApiKeys([]),
        session: {} as Session,
        health: healthModule({ ready: () => Promise.resolve({}) }),
      }),
    ],
  }).compile();
  return module.get(V1Controller);
}
const refusalOf = (work: () => void) => {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
  }
  return undefined;
};

describe('the module', () => {
  const request = { url: '/v1/benchmarks', headers: {} } as AskedRequest;
  const response = {} as ServerResponse;

  it('compiles, and answers 503 before the database was read', async () => {
    const controller = await controllerFor('local');
    expect(refusalOf(() => controller.benchmarks(request, response))).toMatchObject({ status: 503 });
  });

  it('publishes nothing from a plan without noise', async () => {
    const controller = await controllerFor('none');
    expect(refusalOf(() => controller.benchmarks(request, response))).toMatchObject({
      status: 409,
      detail: expect.stringContaining('trust "none"'),
    });
  });
});
