import type { ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { problem } from '@fedcarbon/service';
import { Controller, Get, Header, Inject, Param, Res } from '@nestjs/common';
import { openApiDocument } from './openapi.ts';
import { DOCS_PAGE, DOCS_START, indexPage } from './pages.ts';
import { ServedPlan } from './served-plan.ts';

/** The part of Express's response that is used here. */
interface FileResponse extends ServerResponse {
  sendFile(path: string, options: { readonly maxAge: number }): void;
}

const HTML = 'text/html; charset=utf-8';
/** Everything comes from here: no other host learns who reads what. Swagger UI sets styles inline and shows pictures from data URLs. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";
const ASSETS = ['swagger-ui.css', 'swagger-ui-bundle.js'];
const ASSET_DIR = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const ASSET_AGE_MS = 86_400_000;

/** Pages for people, and the description for machines. They hold nothing of a federation but its name, so they need no key. */
@Controller()
export class PagesController {
  readonly #openApi = JSON.stringify(openApiDocument());
  readonly #index: string;

  constructor(@Inject(ServedPlan) served: ServedPlan) {
    this.#index = indexPage(served.plan);
  }

  @Get()
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', POLICY)
  index(): string {
    return this.#index;
  }

  @Get('openapi.json')
  @Header('Content-Type', 'application/json; charset=utf-8')
  openApi(): string {
    return this.#openApi;
  }

  @Get('docs')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', POLICY)
  docs(): string {
    return DOCS_PAGE;
  }

  @Get('docs/start.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  start(): string {
    return DOCS_START;
  }

  @Get('docs/:asset')
  asset(@Param('asset') asset: string, @Res() response: FileResponse): void {
    if (!ASSETS.includes(asset)) throw problem(404, 'not_found', 'Not found', 'the page is /docs');
    response.sendFile(join(ASSET_DIR, asset), { maxAge: ASSET_AGE_MS });
  }
}
