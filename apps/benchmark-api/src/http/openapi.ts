import {
  BenchmarkAnswer,
  BudgetAnswer,
  FederationAnswer,
  LedgerAnswer,
  ModelAnswer,
  ModelsAnswer,
  ModelSummary,
  Percentile,
  PositionAnswer,
  PositionRequest,
  Provenance,
  RoundAnswer,
  RoundsAnswer,
  RoundSummary,
} from '@fedcarbon/contracts';
import { z } from 'zod';

/** Problem details (RFC 9457, section 3.1). */
const Problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
});

const SCHEMAS = {
  ...{ BenchmarkAnswer, BudgetAnswer, FederationAnswer, LedgerAnswer, ModelAnswer, ModelsAnswer, ModelSummary },
  ...{ Percentile, PositionAnswer, PositionRequest, Problem, Provenance, RoundAnswer, RoundsAnswer, RoundSummary },
};
type SchemaName = keyof typeof SCHEMAS;

const schemaRef = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });
const responseRef = (name: keyof typeof PROBLEMS) => ({ $ref: `#/components/responses/${name}` });
const json = (schema: object) => ({ 'application/json': { schema } });

const PROBLEMS = {
  BadRequest: 'The request is not understood; `detail` says what was found and what there is.',
  Unauthorized: 'No known key was sent.',
  Forbidden: 'The key has another role.',
  NotFound: 'There is no such model or round.',
  NotPrivate: 'The plan has trust `none`: nothing may be published from it.',
  NotReady: 'The answer is not there yet, or the database is away; ask again later.',
} as const;

const ETAG = { description: 'Changes with the ledger position of the answer.', schema: { type: 'string' } };
const POSITION_HEADERS = {
  'Fedcarbon-Plan': { description: 'Hash of the plan.', schema: { type: 'string' } },
  'Fedcarbon-Ledger-Size': { description: 'Entries of the ledger at the answer.', schema: { type: 'string' } },
};
const USUAL = { 401: responseRef('Unauthorized'), 503: responseRef('NotReady') };

/** A cacheable GET that answers from the snapshot. */
function get(operationId: string, answer: SchemaName, summary: string, more: Partial<Operation> = {}): object {
  const { description, parameters = [], responses = {} } = more;
  return {
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...parameters, { $ref: '#/components/parameters/IfNoneMatch' }],
    responses: {
      200: {
        description: 'The answer.',
        headers: { ETag: ETAG, ...POSITION_HEADERS },
        content: json(schemaRef(answer)),
      },
      304: { description: 'The answer with this entity tag is still current.' },
      ...responses,
      ...USUAL,
    },
  };
}

interface Operation {
  readonly description: string;
  readonly parameters: readonly object[];
  readonly responses: Readonly<Record<number, object>>;
}

const filter = (name: string, description: string, example: string) => ({
  ...{ name, in: 'query', description, example },
  schema: { type: 'string' },
});
const inPath = (name: string, description: string, schema: object) => ({
  ...{ name, in: 'path', required: true, description, schema },
});

const PATHS = {
  '/v1/benchmarks': {
    get: get('getBenchmarks', 'BenchmarkAnswer', 'Percentiles of a segment, each with its interval', {
      description:
        'One filter at a time, besides `use`; without a filter all records. Names may be spelled as terms or as text ("massive-brick", "Massive brick"). ' +
        'A combination, group or scope that was not released is answered `not_released` with the reason, never with a count. ' +
        '`GET /v1/federation` lists the groups.',
      parameters: [
        filter('use', 'Use of the buildings.', 'residential'),
        filter('country', 'ISO 3166-1 alpha-2.', 'DK'),
        filter('structure', 'Structure type.', 'frame-wood'),
        filter('subtype', 'Use subtype.', 'row-house'),
        filter('glazingArea', 'Glazing area over floor area, where a plan releases it.', '0.25'),
        filter('scope', 'Life-cycle scope. No release is divided by it yet.', 'A1-A3'),
        filter('rsp', 'Reference study period in years. No release is divided by it yet.', '50'),
      ],
      responses: { 400: responseRef('BadRequest'), 409: responseRef('NotPrivate') },
    }),
  },
  '/v1/position': {
    post: {
      operationId: 'positionBuilding',
      summary: 'Where one building stands',
      description:
        'Predicts the intensity of a building from its attributes and places it among all records of the release. Attributes that are left out count as ' +
        'unknown. The building is neither stored nor logged. The interval does not contain the error of the model.',
      requestBody: { required: true, content: json(schemaRef('PositionRequest')) },
      responses: {
        200: {
          description: 'The position; null while no benchmark is released.',
          content: json(schemaRef('PositionAnswer')),
        },
        400: responseRef('BadRequest'),
        ...USUAL,
      },
    },
  },
  '/v1/models': { get: get('listModels', 'ModelsAnswer', 'All published model versions, oldest first') },
  '/v1/models/{version}': {
    get: get('getModel', 'ModelAnswer', 'One model with its weights', {
      parameters: [
        inPath('version', 'Version, or `latest`.', { anyOf: [{ type: 'integer', minimum: 1 }, { const: 'latest' }] }),
      ],
      responses: { 404: responseRef('NotFound') },
    }),
  },
  '/v1/rounds': { get: get('listRounds', 'RoundsAnswer', 'All rounds in order') },
  '/v1/rounds/{n}': {
    get: get('getRound', 'RoundAnswer', 'One round', {
      parameters: [inPath('n', 'Index of the round, from 1.', { type: 'integer', minimum: 1 })],
      responses: { 404: responseRef('NotFound') },
    }),
  },
  '/v1/ledger': { get: get('getLedger', 'LedgerAnswer', 'The signed head of the ledger') },
  '/v1/ledger/export': {
    get: {
      operationId: 'exportLedger',
      summary: 'The ledger up to its last checkpoint, for `fedcarbon ledger verify` (auditor, operator)',
      description:
        'JSON Lines: a header, the entries, the signed checkpoints. A connection that breaks off means the file is not whole.',
      responses: {
        200: {
          description: 'The export.',
          headers: POSITION_HEADERS,
          content: { 'application/jsonl': { schema: { type: 'string' } } },
        },
        403: responseRef('Forbidden'),
        ...USUAL,
      },
    },
  },
  '/v1/federation': { get: get('getFederation', 'FederationAnswer', 'What the federation is, and how far it is') },
  '/v1/federation/budget': {
    get: get('getBudget', 'BudgetAnswer', 'Privacy budgets spent', {
      description:
        'Operators and auditors see all data sets, a holder its own, analysts only the largest epsilon. Figures are composed by the accountant from the charged events.',
    }),
  },
};

/** The description of this API: OpenAPI 3.1, whose schemas are JSON Schema 2020-12, generated from the schemas that the answers are written by. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'fedcarbon benchmark API',
      version: '1.0.0',
      description:
        'Benchmarks of embodied carbon and a model, learned from records that never left their holders, under differential privacy. Every answer says ' +
        'what protects the records (epsilon, delta, trust, adjacency) and at which position of the public ledger it was given.',
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }],
    paths: PATHS,
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key that the operator gave you: `Authorization: Bearer fc_...`.',
        },
      },
      parameters: {
        IfNoneMatch: {
          ...{ name: 'If-None-Match', in: 'header', description: 'Entity tags of answers that you have.' },
          schema: { type: 'string' },
        },
      },
      responses: Object.fromEntries(
        Object.entries(PROBLEMS).map(([name, description]) => [
          name,
          { description, content: { 'application/problem+json': { schema: schemaRef('Problem') } } },
        ]),
      ),
      schemas: componentSchemas(),
    },
  };
}

function componentSchemas(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _id, ...schema }]) => [name, schema]),
  );
}
