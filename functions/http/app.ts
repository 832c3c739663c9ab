import { type Context, Hono } from 'hono';
import { getPath } from 'hono/utils/url';
import type { ModelFiles } from '../inference/model-files.ts';
import type { Log } from '../inference/ports.ts';
import type { InferenceService } from '../inference/service.ts';
import { MethodNotAllowed, NotFound, ProtocolError } from '../protocol/errors.ts';
import { decodeInferRequest } from '../protocol/infer-request.ts';
import { type EncodedResponse, encodeInferResponse } from '../protocol/infer-response.ts';
import { decodeLoadRequest } from '../protocol/load-request.ts';
import type { RequestTiming } from '../protocol/messages.ts';
import { headerLength, readBody, readyOnly } from './body.ts';
import { chooseEncoding, decodeBody, ENCODINGS, encodeBody, UnsupportedEncoding } from './compression.ts';
import { corsHeaders } from './cors.ts';
import { type AccessRules, checkAccess } from './guard.ts';
import { type Pages, pageHeaders } from './pages.ts';
import { traceId } from './trace.ts';

export type AppParts = {
  readonly service: InferenceService;
  readonly files: ModelFiles;
  /** What the whole server has counted, which may be several processes. */
  readonly statistics: InferenceService['statistics'];
  readonly log: Log;
  readonly access: AccessRules;
  /** A random UUID, for a request that comes without an identifier. */
  readonly newId: () => string;
  /** Makes a response: `new Response`, or what does as well and costs less. */
  readonly respond: Respond;
  readonly maxBodyBytes: number;
  /** Origins whose pages may read the answers; empty: none. */
  readonly corsOrigins: readonly string[];
  /** Undefined on AWS. */
  readonly local: LocalParts | undefined;
};

/** What only the local server has, beside loading and unloading models by request. */
export type LocalParts = {
  /** What `GET /metrics` answers. */
  readonly metrics: () => Promise<{ contentType: string; text: string }>;
  /** The playground, the OpenAPI document rendered, and what both need. */
  readonly pages: Pages;
};

/** What the line that is logged for a request holds, filled in while the request is answered. */
type RequestLine = {
  id: string;
  trace_id: string;
  model?: string;
  version?: string;
  bytes_in: number;
  bytes_out: number;
};

/** Bodies of requests that carry no tensors. */
const MAX_CONTROL_BYTES = 1024 * 1024;
/** Copying less costs less than sending it in parts. */
const MAX_JOINED_BYTES = 64 * 1024;
const HEADER_LENGTH = 'Inference-Header-Content-Length';
/** A report came with the model: whoever made it gets no script, no form and no request to anywhere. */
const REPORT_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
  'X-Content-Type-Options': 'nosniff',
};
const VERSION = '/v2/models/:model/versions/:version{[0-9]+}';
const JSON_TYPE = { 'Content-Type': 'application/json' };

export type Respond = (
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  init: { readonly status: number; readonly headers: { readonly [name: string]: string } },
) => Response;

/** A request under way. */
type Exchange = {
  readonly respond: Respond;
  readonly line: RequestLine;
  /** What its answer carries whatever comes of it. Plain, as a `Headers` costs more than all routing. */
  readonly headers: { [name: string]: string };
};

type Env = { Bindings: Exchange };
type Handler = (context: Context<Env>, model: string, version: string | undefined) => Promise<Response> | Response;

/** The Open Inference Protocol over HTTP: a function from a request to a response. */
export type App = {
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  fetch(request: Request): Promise<Response>;
};

export function createApp(parts: AppParts): App {
  const { service, files, statistics, log, access, maxBodyBytes, local } = parts;
  const app = new Hono<Env>();

  /** What is answered to methods that a path does not have. Apart, as a request with one handler is handed to it directly. */
  const others = new Hono<Env>();
  /** Registers one path, and that its other methods are answered 405. */
  const route = (method: 'GET' | 'POST', paths: string[], handle: Handler): void => {
    for (const path of paths) {
      app.on(method, path, (context) => {
        const { model, version } = context.req.param() as { model?: string; version?: string };
        const { line } = context.env;
        if (model !== undefined) line.model = model.slice(0, 128);
        if (version !== undefined) line.version = version;
        return handle(context, model ?? '', version);
      });
      others.all(path, (context) => {
        context.env.headers.Allow = method === 'GET' ? 'GET, HEAD' : method;
        throw new MethodNotAllowed('Method Not Allowed');
      });
    }
  };
  const ofModel = (verb: string): string[] => [`/v2/models/:model${verb}`, `${VERSION}${verb}`];

  route('GET', ['/v2/health/live'], (context) => json(context.env, { live: true }));
  route('GET', ['/v2/health/ready'], async (context) =>
    (await service.ready())
      ? json(context.env, { live: true, ready: true })
      : fail(context.env, 503, 'the server is not ready', 1),
  );
  route('GET', ['/v2', '/v2/'], (context) => json(context.env, service.serverMetadata()));
  route('GET', ['/v2/models'], async (context) => json(context.env, { models: await service.models() }));
  route('GET', ['/v2/models/stats'], async (context) => json(context.env, { model_stats: await statistics() }));
  route('POST', ['/v2/repository/index', '/v2/repository/:repository/index'], async (context) => {
    const body = await readBody(context.req.raw, MAX_CONTROL_BYTES);
    return json(context.env, await service.repositoryIndex(readyOnly(body)));
  });
  route('GET', ofModel('/stats'), async (context, name, version) =>
    json(context.env, { model_stats: await statistics(name, version) }),
  );
  route('GET', ofModel('/ready'), async (context, name, version) => {
    await service.modelReady(name, version);
    return json(context.env, { name, ready: true });
  });
  for (const verb of ['infer', 'explain'] as const) {
    route('POST', ofModel(`/${verb}`), async (context, name, version) => {
      const received = await readBody(context.req.raw, maxBodyBytes);
      const { line, headers } = context.env;
      line.bytes_in = received.length;
      const body = await decodeBody(received, context.req.header('Content-Encoding'), maxBodyBytes);
      const length = headerLength(context.req.header(HEADER_LENGTH), body.length);
      const request = length === 0 ? await service.rawRequest(body, name, version) : decodeInferRequest(body, length);
      const response = await service[verb](request, name, version, context.req.header('X-Caller-Id'));
      line.version = response.modelVersion;
      if (response.timing !== undefined) headers['Server-Timing'] = serverTiming(response.timing);
      return sendInference(context, encodeInferResponse(response, request));
    });
  }
  route('GET', ofModel('/config'), async (context, name, version) =>
    json(context.env, await service.modelConfig(name, version)),
  );
  route('GET', ['/v2/models/:model/release'], async (context, name) =>
    send(context.env, 200, JSON_TYPE, await files.release(name)),
  );
  route('GET', [`${VERSION}/metrics`], async (context, name, version = '') =>
    send(context.env, 200, JSON_TYPE, await files.ofVersion(name, version, 'metrics.json')),
  );
  route('GET', [`${VERSION}/report`], async (context, name, version = '') =>
    send(context.env, 200, REPORT_HEADERS, await files.ofVersion(name, version, 'report.html')),
  );
  route('GET', ['/v2/models/:model/samples'], async (context, name) =>
    json(context.env, { samples: await files.samples(name) }),
  );
  route('GET', ['/v2/models/:model/samples/:file'], async (context, name) => {
    const file = context.req.param('file') ?? '';
    const bytes = await files.sample(name, file);
    return send(context.env, 200, imageHeaders(file), bytes);
  });
  route('GET', ofModel(''), async (context, name, version) =>
    json(context.env, await service.modelMetadata(name, version)),
  );
  route('GET', ['/openapi.json'], async (context) => {
    const { openApi } = await import('./openapi.ts');
    const { name, version } = service.serverMetadata();
    return json(context.env, openApi(name, version, local !== undefined));
  });
  if (local !== undefined) {
    route('POST', ['/v2/repository/models/:model/load'], async (context, name) => {
      const request = decodeLoadRequest(await readBody(context.req.raw, maxBodyBytes));
      await service.load(name, request);
      return send(context.env, 200, {}, '');
    });
    route('POST', ['/v2/repository/models/:model/unload'], async (context, name) => {
      await service.unload(name);
      return send(context.env, 200, {}, '');
    });
    route('GET', ['/', '/playground/:file', '/docs', '/docs/:file'], async (context) => {
      const page = local.pages.get(context.req.path);
      if (page === undefined) throw new NotFound('Not Found');
      return send(context.env, 200, pageHeaders(page), await page.read());
    });
    route('GET', ['/metrics'], async (context) => {
      const { contentType, text } = await local.metrics();
      return send(context.env, 200, { 'Content-Type': contentType }, text);
    });
  }

  /** Only a method that the path does not have is answered there. */
  app.notFound((context) => others.fetch(context.req.raw, context.env));
  others.notFound(() => {
    throw new NotFound('Not Found');
  });

  const failed = (error: unknown, exchange: Exchange): Response => {
    if (error instanceof UnsupportedEncoding) exchange.headers['Accept-Encoding'] = ENCODINGS;
    if (error instanceof ProtocolError) return fail(exchange, error.status, error.message, error.retryAfter);
    const { id } = exchange.line;
    log.error({ id, err: error }, 'unexpected error');
    return fail(exchange, 500, `the server failed at this request; its log has the reason under the id ${id}`);
  };
  for (const routes of [app, others]) routes.onError((error, { env }) => failed(error, env));

  const answer = (request: Request, path: string, exchange: Exchange): Response | Promise<Response> => {
    try {
      const isPublic = local?.pages.get(path)?.isPublic === true;
      checkAccess(request.headers, isPublic ? { ...access, token: undefined } : access);
    } catch (error) {
      return failed(error, exchange);
    }
    return app.fetch(request, exchange);
  };

  return {
    routes: app.routes,
    async fetch(request) {
      const started = performance.now();
      const path = getPath(request);
      const exchange = exchangeOf(request.headers, parts);
      const response = await answer(request, path, exchange);
      const ms = Math.round((performance.now() - started) * 1000) / 1000;
      const { method } = request;
      log.info({ ...exchange.line, method, path: path.slice(0, 256), status: response.status, ms }, 'request');
      return response;
    },
  };
}

function exchangeOf(headers: Headers, { newId, respond, corsOrigins }: AppParts): Exchange {
  const id = headers.get('x-request-id')?.slice(0, 128) || newId();
  const line = { id, trace_id: traceId(headers) ?? newId().replaceAll('-', ''), bytes_in: 0, bytes_out: 0 };
  const cors = corsHeaders(corsOrigins, headers.get('origin'), HEADER_LENGTH);
  return { respond, line, headers: { ...cors, 'X-Request-Id': id } };
}

/** Only this response may be compressed: tritonclient's aio client accepts gzip always, and decodes it only here. */
async function sendInference(context: Context<Env>, { headerLength, parts }: EncodedResponse): Promise<Response> {
  const length = parts.reduce((total, part) => total + part.length, 0);
  const headers: Record<string, string> =
    headerLength === undefined
      ? JSON_TYPE
      : { 'Content-Type': 'application/octet-stream', [HEADER_LENGTH]: String(headerLength) };
  const encoding = chooseEncoding(context.req.header('Accept-Encoding'), length);
  if (encoding !== undefined) {
    const body = await encodeBody(parts, encoding);
    return send(context.env, 200, { ...headers, 'Content-Encoding': encoding }, body);
  }
  if (parts.length === 1) return send(context.env, 200, headers, parts[0] as Uint8Array<ArrayBuffer>);
  if (length <= MAX_JOINED_BYTES) return send(context.env, 200, headers, Buffer.concat(parts, length));
  return send(context.env, 200, headers, ReadableStream.from(parts), length);
}

/** Of an answer, in milliseconds (https://www.w3.org/TR/server-timing/): what is left of the caller's time is the way. */
function serverTiming({ queue, compute, total }: RequestTiming): string {
  return `queue;dur=${queue.toFixed(3)}, compute;dur=${compute.toFixed(3)}, total;dur=${total.toFixed(3)}`;
}

/** What is no image for all its name stays one to a browser. */
function imageHeaders(file: string): Record<string, string> {
  const ending = file.slice(file.lastIndexOf('.') + 1).toLowerCase();
  return {
    'Content-Type': `image/${ending === 'jpg' ? 'jpeg' : ending}`,
    'Content-Security-Policy': "default-src 'none'",
    'X-Content-Type-Options': 'nosniff',
  };
}

function json(exchange: Exchange, body: object): Response {
  return send(exchange, 200, JSON_TYPE, JSON.stringify(body));
}

function fail(exchange: Exchange, status: ProtocolError['status'], error: string, retryAfter?: number): Response {
  const { headers } = exchange;
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter);
  // The rest of a body that is refused is not worth reading.
  if (status === 413) headers.Connection = 'close';
  return send(exchange, status, JSON_TYPE, JSON.stringify({ error }));
}

function send(
  { respond, line, headers: always }: Exchange,
  status: 200 | ProtocolError['status'],
  headers: Record<string, string>,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  bytes = Buffer.byteLength(body as string | Uint8Array),
): Response {
  line.bytes_out = bytes;
  return respond(body, { status, headers: { ...always, ...headers, 'Content-Length': String(bytes) } });
}
