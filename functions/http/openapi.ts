import { DATATYPE_NAMES } from '../protocol/datatypes.ts';
import { EXPLAIN_METHODS, MAX_EVALUATIONS } from '../protocol/explain-options.ts';

type Json = { readonly [key: string]: unknown };

const text = { type: 'string' };
const integer = { type: 'integer' };
const object = (properties: Json, required: string[] = Object.keys(properties)): Json => ({
  type: 'object',
  properties,
  required,
});
const list = (items: Json): Json => ({ type: 'array', items });
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Json): Json => ({ 'application/json': { schema } });

const duration = object({ count: integer, ns: integer });
const parameters: Json = {
  type: 'object',
  additionalProperties: { type: ['string', 'number', 'boolean'] },
};

const SCHEMAS: Json = {
  Error: object({ error: { ...text, description: 'One sentence: what was wrong, what was got, what is expected.' } }),
  Datatype: { type: 'string', enum: DATATYPE_NAMES },
  Parameters: parameters,
  TensorMetadata: object({
    name: text,
    datatype: ref('Datatype'),
    shape: { ...list(integer), description: '-1 for a dimension that may vary.' },
  }),
  ServerMetadata: object({ name: text, version: text, extensions: list(text) }),
  ModelMetadata: object({
    name: text,
    versions: list(text),
    platform: text,
    inputs: list(ref('TensorMetadata')),
    outputs: list(ref('TensorMetadata')),
  }),
  ModelConfig: {
    ...object({ name: text, platform: text, backend: text, max_batch_size: integer }),
    description: "Triton's ModelConfig, completed from the model file, under the message's own field names.",
    additionalProperties: true,
  },
  RequestInput: object(
    {
      name: text,
      shape: list({ type: 'integer', minimum: 0 }),
      datatype: ref('Datatype'),
      parameters: ref('Parameters'),
      data: {
        type: 'array',
        description: 'Row-major, flat or nested like the shape. Not with the parameter binary_data_size.',
        items: {},
      },
    },
    ['name', 'shape', 'datatype'],
  ),
  RequestOutput: object({ name: text, parameters: ref('Parameters') }, ['name']),
  InferRequest: object(
    { id: text, parameters: ref('Parameters'), inputs: list(ref('RequestInput')), outputs: list(ref('RequestOutput')) },
    ['inputs'],
  ),
  ResponseOutput: object(
    {
      name: text,
      datatype: ref('Datatype'),
      shape: list(integer),
      parameters: ref('Parameters'),
      data: { type: 'array', description: 'Flat. Not with the parameter binary_data_size.', items: {} },
    },
    ['name', 'datatype', 'shape'],
  ),
  InferResponse: object({ id: text, model_name: text, model_version: text, outputs: list(ref('ResponseOutput')) }, [
    'model_name',
    'model_version',
    'outputs',
  ]),
  ExplainRequest: {
    ...object(
      {
        id: text,
        parameters: {
          ...object(
            {
              method: { type: 'string', enum: EXPLAIN_METHODS },
              output: text,
              target: { ...integer, minimum: 0, description: 'Index of the flattened output; by default the largest.' },
              background: { type: 'number', default: 0, description: 'Stands in the place of what is taken away.' },
              patch: { ...integer, minimum: 1, description: "Of a patch's side, in pixels." },
              stride: { ...integer, minimum: 1, description: 'For occlusion, in pixels; at most the patch.' },
              samples: { ...integer, minimum: 1, maximum: MAX_EVALUATIONS, description: 'For Kernel SHAP.' },
              seed: { ...integer, minimum: 0, default: 0 },
              timeout: { ...integer, minimum: 1, description: 'In microseconds.' },
            },
            [],
          ),
          additionalProperties: { type: ['string', 'number', 'boolean'] },
        },
        inputs: list(ref('RequestInput')),
        outputs: list(ref('RequestOutput')),
      },
      ['inputs'],
    ),
    description: 'As for infer, of one item.',
  },
  ExplainResponse: object({
    model_name: text,
    model_version: text,
    parameters: {
      ...object(
        {
          method: { type: 'string', enum: EXPLAIN_METHODS },
          input: text,
          output: text,
          target: integer,
          target_label: text,
          base_value: { type: 'number', description: 'The output for the background alone.' },
          value: { type: 'number', description: 'The output for the request.' },
          background: { type: 'number' },
          evaluations: { ...integer, description: 'Items that the model computed.' },
          completeness: { type: 'number', description: 'Sum of the attributions - (value - base_value).' },
          partial: { type: 'boolean', description: 'Whether the deadline came first.' },
          patch: integer,
          stride: integer,
          samples: integer,
          seed: integer,
        },
        ['method', 'output', 'target', 'base_value', 'value', 'evaluations', 'completeness', 'partial'],
      ),
    },
    outputs: list(ref('ResponseOutput')),
  }),
  ModelStatistics: object({
    name: text,
    version: text,
    last_inference: { ...integer, description: 'Milliseconds since 1970; 0 before the first request.' },
    inference_count: { ...integer, description: 'Rows.' },
    execution_count: { ...integer, description: 'Runs of the model.' },
    inference_stats: object(
      Object.fromEntries(
        ['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss'].map(
          (part) => [part, duration],
        ),
      ),
    ),
    batch_stats: list(
      object({ batch_size: integer, compute_input: duration, compute_infer: duration, compute_output: duration }),
    ),
    memory_usage: list(object({ type: text, id: integer, byte_size: integer })),
  }),
  IndexEntry: object(
    { name: text, version: text, state: { type: 'string', enum: ['READY', 'LOADING', 'UNAVAILABLE'] }, reason: text },
    ['name'],
  ),
};

const ERRORS: { readonly [status: number]: string } = {
  400: 'The request is malformed or does not fit the model.',
  401: 'The token is missing or wrong.',
  403: 'Host or Origin name another machine.',
  404: 'There is no such model or version.',
  413: 'The body, or the file asked for, is too large.',
  500: "The model's process ended while it computed.",
  501: "The request's Content-Encoding is not gzip or deflate.",
  503: 'The model does not load, or too many of its requests wait already.',
  504: 'The model did not answer before the deadline.',
};

function operation(summary: string, success: Json, errors: number[], more: Json = {}): Json {
  const failed = [401, 403, ...errors].map((status) => [
    status,
    { description: ERRORS[status], content: json(ref('Error')) },
  ]);
  return { summary, ...more, responses: { 200: { description: 'OK', ...success }, ...Object.fromEntries(failed) } };
}

const headerLength = {
  schema: { type: 'integer', minimum: 0 },
  description: 'Bytes of JSON before the binary tensors; 0: the body is the one input, raw.',
};

const tensors = (request: string, response: string): [success: Json, errors: number[], more: Json] => {
  const binary = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
  return [
    {
      headers: {
        'Inference-Header-Content-Length': headerLength,
        'Server-Timing': { schema: text, description: 'Milliseconds: queue, compute, and total of this side.' },
      },
      content: { ...json(ref(response)), ...binary },
    },
    [400, 404, 413, 500, 501, 503, 504],
    { requestBody: { required: true, content: { ...json(ref(request)), ...binary } } },
  ];
};

const infer = operation('Compute the outputs for some inputs', ...tensors('InferRequest', 'InferResponse'));
const explain = operation(
  'Why this answer? What each element of the inputs adds to an element of an output',
  ...tensors('ExplainRequest', 'ExplainResponse'),
);

const jsonOf = (schema: Json): Json => ({ content: json(schema) });
const ofModel = [404, 503];
const ofFile = [404, 413, 503];

const index = operation('Every model of the repository with its state', jsonOf(list(ref('IndexEntry'))), [400, 413], {
  requestBody: { content: json(object({ ready: { type: 'boolean' } }, [])) },
});

const load = operation('Load a model, or load it again (in explicit mode)', {}, [400, 404, 413, 503], {
  requestBody: {
    content: json(
      object(
        {
          parameters: {
            type: 'object',
            description: 'config: a ModelConfig in JSON; file:<version>/<name>: base64 of a file.',
            additionalProperties: text,
          },
        },
        [],
      ),
    ),
  },
});
const unload = operation('Stop serving a model (in explicit mode)', {}, [404, 503], {
  requestBody: { content: json({ type: 'object' }) },
});

const MODEL = { name: 'model', in: 'path', required: true, schema: text };
const VERSION = { name: 'version', in: 'path', required: true, schema: { type: 'string', pattern: '^[0-9]+$' } };

/** Of each path the operations; those of a model without parameters of their own also exist for one version of it. */
const PATHS: { readonly [path: string]: Json } = {
  '/v2/health/live': { get: operation('Whether the server runs', jsonOf(object({ live: { type: 'boolean' } })), []) },
  '/v2/health/ready': {
    get: operation(
      'Whether at least one model serves',
      jsonOf(object({ live: { type: 'boolean' }, ready: { type: 'boolean' } })),
      [503],
    ),
  },
  '/v2': { get: operation('Name, version and extensions of the server', jsonOf(ref('ServerMetadata')), []) },
  '/v2/models': { get: operation('Names of all models', jsonOf(object({ models: list(text) })), []) },
  '/v2/models/stats': {
    get: operation(
      'What this process has computed, of every model',
      jsonOf(object({ model_stats: list(ref('ModelStatistics')) })),
      [],
    ),
  },
  '/v2/repository/index': { post: index },
  '/v2/repository/{repository}/index': {
    parameters: [{ name: 'repository', in: 'path', required: true, schema: text }],
    post: index,
  },
  '/v2/repository/models/{model}/load': { parameters: [MODEL], post: load },
  '/v2/repository/models/{model}/unload': { parameters: [MODEL], post: unload },
  '/v2/models/{model}': { get: operation('Inputs and outputs of a model', jsonOf(ref('ModelMetadata')), ofModel) },
  '/v2/models/{model}/ready': {
    get: operation('Whether a model serves', jsonOf(object({ name: text, ready: { type: 'boolean' } })), ofModel),
  },
  '/v2/models/{model}/config': {
    get: operation('The completed configuration of a model', jsonOf(ref('ModelConfig')), ofModel),
  },
  '/v2/models/{model}/stats': {
    get: operation(
      'What this process has computed, of one model',
      jsonOf(object({ model_stats: list(ref('ModelStatistics')) })),
      ofModel,
    ),
  },
  '/v2/models/{model}/infer': { post: infer },
  '/v2/models/{model}/release': {
    parameters: [MODEL],
    get: operation('release.json: which version is live, and the history of that', jsonOf({ type: 'object' }), ofModel),
  },
  '/v2/models/{model}/versions/{version}/metrics': {
    parameters: [MODEL, VERSION],
    get: operation('metrics.json: what training has measured', jsonOf({ type: 'object' }), ofFile),
  },
  '/v2/models/{model}/versions/{version}/report': {
    parameters: [MODEL, VERSION],
    get: operation('report.html: the report of training', { content: { 'text/html': { schema: text } } }, ofFile),
  },
  '/v2/models/{model}/samples': {
    parameters: [MODEL],
    get: operation('The images to try the model with', jsonOf(object({ samples: list(text) })), ofModel),
  },
  '/v2/models/{model}/samples/{file}': {
    parameters: [MODEL, { name: 'file', in: 'path', required: true, schema: text }],
    get: operation('One of these images', { content: { 'image/*': { schema: text } } }, ofFile),
  },
  '/v2/models/{model}/explain': { post: explain },
  '/openapi.json': { get: operation('This document', jsonOf({ type: 'object' }), []) },
  '/': { get: operation('The playground', { content: { 'text/html': { schema: text } } }, []) },
  '/playground/{file}': {
    parameters: [{ name: 'file', in: 'path', required: true, schema: text }],
    get: operation('What the playground needs', { content: { '*/*': { schema: text } } }, [404]),
  },
  '/docs': { get: operation('This document, rendered', { content: { 'text/html': { schema: text } } }, []) },
  '/docs/{file}': {
    parameters: [{ name: 'file', in: 'path', required: true, schema: text }],
    get: operation('What the rendered document needs', { content: { '*/*': { schema: text } } }, [404]),
  },
  '/metrics': {
    get: operation("Prometheus metrics under Triton's names", { content: { 'text/plain': { schema: text } } }, []),
  },
};

/** In groups, as readers of the rendered document find them. */
function tagged(path: string, { parameters, ...operations }: Json): Json {
  const [, group = ''] = /^\/v2\/(repository|models\/\{model\})/.exec(path) ?? [];
  const tags = [{ repository: 'Repository', 'models/{model}': 'Model' }[group] ?? 'Server'];
  const entries = Object.entries(operations).map(([method, its]) => [method, { tags, ...(its as Json) }]);
  return { ...(parameters === undefined ? {} : { parameters }), ...Object.fromEntries(entries) };
}

/** What only the local server has. */
const LOCAL_PATHS = new Set([
  '/v2/repository/models/{model}/load',
  '/v2/repository/models/{model}/unload',
  '/',
  '/playground/{file}',
  '/docs',
  '/docs/{file}',
  '/metrics',
]);

/**
 * The OpenAPI 3.1 description of the whole API.
 * @param local with what only the local server has
 */
export function openApi(title: string, version: string, local: boolean): Json {
  const described = Object.entries(PATHS).filter(([path]) => local || !LOCAL_PATHS.has(path));
  const paths = described.flatMap(([path, untagged]): [string, Json][] => {
    const operations = tagged(path, untagged);
    if (!path.startsWith('/v2/models/{model}') || untagged.parameters !== undefined) return [[path, operations]];
    const versioned = path.replace('{model}', '{model}/versions/{version}');
    return [
      [path, { parameters: [MODEL], ...operations }],
      [versioned, { parameters: [MODEL, VERSION], ...operations }],
    ];
  });
  return {
    openapi: '3.1.0',
    info: {
      title,
      version,
      description: 'The Open Inference Protocol V2. docs/api.md of the project explains it.',
      license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
    },
    paths: Object.fromEntries(paths),
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'API_TOKEN, where the server has one.' },
      },
    },
    security: [{}, { token: [] }],
  };
}
