import { type DynamicModule, Module } from '@nestjs/common';
import { Accountant, type AccountantParts } from './accountant.ts';
import { AccountantController } from './accountant.controller.ts';

@Module({})
export class PrivacyAccountantModule {
  static with(parts: AccountantParts, health: DynamicModule): DynamicModule {
    return {
      module: PrivacyAccountantModule,
      imports: [health],
      controllers: [AccountantController],
      providers: [{ provide: Accountant, useFactory: () => new Accountant(parts) }],
    };
  }
}
