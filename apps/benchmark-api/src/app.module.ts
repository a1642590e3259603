import type { Session } from '@fedcarbon/persistence';
import { type DynamicModule, Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AccessGuard } from './http/access.guard.ts';
import { ApiKeys } from './http/api-keys.ts';
import { LedgerExportController, SESSION } from './http/ledger-export.controller.ts';
import { ServedPlan } from './http/served-plan.ts';
import { PagesController } from './http/pages.controller.ts';
import { V1Controller } from './http/v1.controller.ts';

export interface AppParts {
  readonly served: ServedPlan;
  readonly keys: ApiKeys;
  /** For the export of the ledger, the one answer that is too large to be kept. */
  readonly session: Session;
  readonly health: DynamicModule;
}

@Module({})
export class AppModule implements OnModuleInit {
  readonly #adapterHost: HttpAdapterHost;

  constructor(@Inject(HttpAdapterHost) adapterHost: HttpAdapterHost) {
    this.#adapterHost = adapterHost;
  }

  static with({ served, keys, session, health }: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [health],
      controllers: [PagesController, V1Controller, LedgerExportController],
      providers: [
        AccessGuard,
        { provide: ServedPlan, useValue: served },
        { provide: ApiKeys, useValue: keys },
        { provide: SESSION, useValue: session },
      ],
    };
  }

  onModuleInit(): void {
    const express = this.#adapterHost.httpAdapter.getInstance<{ disable(setting: string): void }>();
    express.disable('x-powered-by');
  }
}
