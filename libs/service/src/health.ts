import { describeError } from '@fedcarbon/kernel';
import { Controller, type DynamicModule, Get, Header, Inject, Module } from '@nestjs/common';
import { problem } from './problem.ts';

/** State of each part that a service needs to work: true, or the reason why not. */
export type Readiness = Readonly<Record<string, true | string>>;
type Ready = () => Promise<Readiness>;

const READY = Symbol('ready');
const READY_TIMEOUT_MS = 2000;

@Controller()
class HealthController {
  readonly #ready: Ready;

  constructor(@Inject(READY) ready: Ready) {
    this.#ready = ready;
  }

  /** Whether the event loop turns. A failing part is no reason to restart this process. */
  @Get('healthz')
  @Header('Cache-Control', 'no-store')
  health(): object {
    return { status: 'ok' };
  }

  @Get('readyz')
  @Header('Cache-Control', 'no-store')
  async readiness(): Promise<object> {
    const parts = await this.#parts();
    const failing = Object.entries(parts).filter(([, state]) => state !== true);
    if (failing.length > 0) {
      const detail = failing.map(([part, reason]) => `${part}: ${String(reason)}`).join('; ');
      throw problem(503, 'not_ready', 'Not ready', detail, { parts });
    }
    return { status: 'ready', parts };
  }

  async #parts(): Promise<Readiness> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Readiness>((resolve) => {
      timer = setTimeout(resolve, READY_TIMEOUT_MS, { check: `no answer within ${String(READY_TIMEOUT_MS)} ms` });
    });
    try {
      return await Promise.race([this.#ready(), late]);
    } catch (error) {
      return { check: describeError(error) };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** GET /healthz: 200 while the process lives. GET /readyz: 200, or 503 with the reason of each part that is not ready. */
export function healthModule(options: { readonly ready: Ready }): DynamicModule {
  return {
    module: HealthModule,
    controllers: [HealthController],
    providers: [{ provide: READY, useValue: options.ready }],
  };
}

@Module({})
class HealthModule {}
