import { type Credentials, sign } from '../adapters/sigv4.ts';
import { readBody } from '../http/body.ts';
import { checkAccess } from '../http/guard.ts';
import { type Pages, pageHeaders } from '../http/pages.ts';
import { ProtocolError, TooLarge } from '../protocol/errors.ts';

export type Upstream = {
  /** The API's URL with its stage, like `https://abc123.execute-api.eu-west-1.amazonaws.com/v1`. */
  readonly url: URL;
  readonly region: string;
  readonly credentials: () => Promise<Credentials>;
};

/** What API Gateway takes at most. */
const MAX_BODY_BYTES = 10 * 1024 * 1024;

/**
 * Headers that belong to one connection, or that only the caller's own side may set. Compression is between this proxy
 * and the API, whose large answers may only fit into Lambda's limit with it; what is passed on is plain.
 */
const NOT_FORWARDED = [
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'origin',
  'proxy-authorization',
  'referer',
  'te',
  'transfer-encoding',
  'upgrade',
];
const NOT_RETURNED = ['connection', 'content-encoding', 'content-length', 'keep-alive', 'transfer-encoding'];

/**
 * Passes requests of this machine on to an API behind IAM authentication, signed with the caller's own credentials.
 * @param pages what this machine answers itself, as the API has no pages
 */
export function signingProxy(
  { url, region, credentials }: Upstream,
  pages: Pages,
): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      checkAccess(request.headers, { loopbackOnly: true, token: undefined });
      const { pathname, search } = new URL(request.url);
      const page = request.method === 'GET' ? pages.get(pathname) : undefined;
      if (page !== undefined) return new Response(await page.read(), { headers: pageHeaders(page) });
      const body = await readBody(request, MAX_BODY_BYTES);
      // A path like //host may not become another host.
      const target = new URL(url);
      target.pathname = url.pathname.replace(/\/$/, '') + pathname;
      target.search = search;
      const headers = without(request.headers, NOT_FORWARDED);
      // API Gateway tells bytes from text by these, and clients of Triton send neither.
      if (!headers.has('accept')) headers.set('accept', '*/*');
      if (body.length > 0 && !headers.has('content-type')) headers.set('content-type', 'application/octet-stream');
      const service = { service: 'execute-api', region, credentials: await credentials() };
      const response = await fetch(await sign(service, request.method, target, headers, body));
      return new Response(response.body, { status: response.status, headers: without(response.headers, NOT_RETURNED) });
    } catch (error) {
      if (error instanceof TooLarge) {
        const error = `the request body is too large: API Gateway takes at most ${MAX_BODY_BYTES} bytes`;
        // The rest of it is not worth reading.
        return fail(413, error, { Connection: 'close' });
      }
      if (error instanceof ProtocolError) return fail(error.status, error.message);
      const { message, cause } = error as Error;
      return fail(502, `${url.host} can't be reached: ${cause instanceof Error ? cause.message : message}`);
    }
  };
}

function without(headers: Headers, names: readonly string[]): Headers {
  const left = new Headers(headers);
  for (const name of names) left.delete(name);
  return left;
}

function fail(status: number, error: string, headers: { [name: string]: string } = {}): Response {
  return Response.json({ error }, { status, headers });
}
