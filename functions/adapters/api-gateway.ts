import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';

/** The part of a REST API's proxy event (payload format 1.0) that is read. */
export type ProxyEvent = Pick<
  APIGatewayProxyEvent,
  'httpMethod' | 'path' | 'multiValueHeaders' | 'body' | 'isBase64Encoded'
>;
export type ProxyResult = APIGatewayProxyResult;
export type Invocation = Pick<Context, 'awsRequestId'>;

/** What Lambda takes as a response, as JSON and in base64. */
const MAX_RESULT_BYTES = 6 * 1024 ** 2;
/** For what is around the body in a result. */
const ENVELOPE_BYTES = 2048;

/** The request that API Gateway received. With `*\/*` as binary media type every body comes in base64. */
export function toRequest(event: ProxyEvent, { awsRequestId }: Invocation): Request {
  const headers = new Headers({ 'X-Request-Id': awsRequestId });
  for (const [name, values = []] of Object.entries(event.multiValueHeaders ?? {})) {
    headers.delete(name);
    for (const value of values) headers.append(name, value);
  }
  // API Gateway may have decoded the path once: what is left may not become a query.
  const path = event.path.replace(/[?#]/g, encodeURIComponent);
  const init = { method: event.httpMethod, headers };
  if (event.body === null || event.httpMethod === 'GET' || event.httpMethod === 'HEAD') return requestTo(path, init);
  const body = Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8');
  headers.set('Content-Length', String(body.length));
  return requestTo(path, { ...init, body });
}

function requestTo(path: string, init: RequestInit): Request {
  return new Request(`https://lambda.invalid${path}`, init);
}

/** The response as API Gateway wants it: JSON as text, which is smaller, and everything else in base64. */
export async function fromResponse(response: Response): Promise<ProxyResult> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const headers = Object.fromEntries(response.headers);
  const isBase64Encoded = headers['content-encoding'] !== undefined || headers['content-type'] !== 'application/json';
  const body = bytes.toString(isBase64Encoded ? 'base64' : 'utf8');
  const resultBytes = ENVELOPE_BYTES + (isBase64Encoded ? body.length : jsonLength(body, bytes.length));
  if (resultBytes > MAX_RESULT_BYTES) return tooLarge(bytes.length, headers);
  return { statusCode: response.status, headers, body, isBase64Encoded };
}

/** Bytes of a text of `length` bytes as a JSON string, exactly where it matters: at worst each needs an escape. */
function jsonLength(text: string, length: number): number {
  return 2 * length < MAX_RESULT_BYTES - ENVELOPE_BYTES ? 2 * length : Buffer.byteLength(JSON.stringify(text));
}

function tooLarge(got: number, headers: { [name: string]: string }): ProxyResult {
  const error =
    `the response is too large: got ${got} bytes; expected at most 6 MB as Lambda counts, about 4.4 MB of binary ` +
    "tensors; ask for fewer rows or outputs at once, for 'binary_data', or with Accept-Encoding: gzip";
  // What is not about the body stays: who may read it, and the request's id.
  const kept = Object.entries(headers).filter(([name]) => !/^(content|inference-header)-/.test(name));
  const plain = { ...Object.fromEntries(kept), 'content-type': 'application/json' };
  return { statusCode: 413, headers: plain, body: JSON.stringify({ error }), isBase64Encoded: false };
}
