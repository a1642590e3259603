import type { ServerResponse } from 'node:http';
import { parseStrict, type PositionAnswer, PositionRequest } from '@fedcarbon/contracts';
import { problem } from '@fedcarbon/service';
import { Body, Controller, Get, Header, HttpCode, Inject, Param, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { Answer } from '../snapshot/answer.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { type AskedRequest, AccessGuard } from './access.guard.ts';
import { sendAnswer } from './send-answer.ts';
import { ServedPlan } from './served-plan.ts';

/** Everything that is answered from the snapshot in memory. */
@Controller('v1')
@UseGuards(AccessGuard)
export class V1Controller {
  readonly #served: ServedPlan;

  constructor(@Inject(ServedPlan) served: ServedPlan) {
    this.#served = served;
  }

  @Get('benchmarks')
  benchmarks(@Req() request: AskedRequest, @Res() response: ServerResponse): void {
    if (this.#served.trust === 'none') {
      const detail = 'the plan has trust "none": without noise no benchmark may be published';
      throw problem(409, 'not_private', 'Nothing is published from this plan', detail);
    }
    const [, query = ''] = (request.url ?? '').split('?', 2);
    this.#send(request, response, (snapshot) => snapshot.benchmarks(query));
  }

  /** The building is neither stored nor logged. */
  @Post('position')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  position(@Body() body: unknown): PositionAnswer {
    const request = parseStrict(PositionRequest, body, 'body');
    const answer = this.#served.snapshot().position(request);
    if (answer === undefined) {
      throw problem(503, 'no_model', 'No model yet', 'no round has released a model yet; ask again later');
    }
    return answer;
  }

  @Get('models')
  models(@Req() request: AskedRequest, @Res() response: ServerResponse): void {
    this.#send(request, response, (snapshot) => snapshot.models());
  }

  @Get('models/:version')
  model(@Param('version') version: string, @Req() request: AskedRequest, @Res() response: ServerResponse): void {
    const known = version === 'latest' ? version : ordinal(version);
    const missing =
      version === 'latest'
        ? 'no round has released a model yet'
        : `there is no model "${version}"; /v1/models lists them`;
    this.#send(request, response, (snapshot) => (known === undefined ? undefined : snapshot.model(known)), missing);
  }

  @Get('rounds')
  rounds(@Req() request: AskedRequest, @Res() response: ServerResponse): void {
    this.#send(request, response, (snapshot) => snapshot.rounds());
  }

  @Get('rounds/:n')
  round(@Param('n') n: string, @Req() request: AskedRequest, @Res() response: ServerResponse): void {
    const index = ordinal(n);
    const find = (snapshot: Snapshot) => (index === undefined ? undefined : snapshot.round(index));
    this.#send(request, response, find, `there is no round "${n}"; /v1/rounds lists them`);
  }

  @Get('ledger')
  ledger(@Req() request: AskedRequest, @Res() response: ServerResponse): void {
    this.#send(request, response, (snapshot) => snapshot.ledger());
  }

  @Get('federation')
  federation(@Req() request: AskedRequest, @Res() response: ServerResponse): void {
    this.#send(request, response, (snapshot) => snapshot.federation());
  }

  @Get('federation/budget')
  budget(@Req() request: AskedRequest, @Res() response: ServerResponse): void {
    this.#send(request, response, (snapshot) => snapshot.budget(request.asker));
  }

  #send(
    request: AskedRequest,
    response: ServerResponse,
    find: (snapshot: Snapshot) => Answer | undefined,
    missing = 'there is no such thing',
  ): void {
    const snapshot = this.#served.snapshot();
    const answer = find(snapshot);
    if (answer === undefined) throw problem(404, 'not_found', 'Not found', missing);
    sendAnswer(request, response, answer, snapshot.provenance);
  }
}

/** 1, 2, 3 and so on. Undefined for another text. */
function ordinal(text: string): number | undefined {
  return /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined;
}
