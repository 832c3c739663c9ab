import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { plainRequest } from './plain-fetch.ts';

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
  const headers: { [name: string]: string } = { 'x-request-id': awsRequestId };
  for (const [name, values = []] of Object.entries(event.multiValueHeaders ?? {})) {
    headers[name.toLowerCase()] = values.join(', ');
  }
  const method = event.httpMethod;
  const isBodiless = event.body === null || method === 'GET' || method === 'HEAD';
  const body = Buffer.from(isBodiless ? '' : (event.body ?? ''), event.isBase64Encoded ? 'base64' : 'utf8');
  if (!isBodiless) headers['content-length'] = String(body.length);
  // API Gateway may have decoded the path once: what is left may not become a query.
  const { href: url } = new URL(`https://lambda.invalid${event.path.replace(/[?#]/g, encodeURIComponent)}`);
  return plainRequest(method, url, headers, { whole: async () => ownMemoryOf(body) });
}

/** Small buffers are parts of a larger one. */
function ownMemoryOf({ buffer, byteOffset, byteLength }: Buffer<ArrayBuffer>): ArrayBuffer {
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}

/** The response as API Gateway wants it: JSON as text, which is smaller, and everything else in base64. */
export async function fromResponse(response: Response): Promise<ProxyResult> {
  const parts: Buffer[] = [];
  for await (const { buffer, byteOffset, byteLength } of response.body ?? []) {
    parts.push(Buffer.from(buffer, byteOffset, byteLength));
  }
  const length = parts.reduce((total, part) => total + part.length, 0);
  const headers = Object.fromEntries(response.headers);
  const isBase64Encoded = headers['content-encoding'] !== undefined || headers['content-type'] !== 'application/json';
  const body = isBase64Encoded ? base64Of(parts) : Buffer.concat(parts).toString('utf8');
  const resultBytes = ENVELOPE_BYTES + (isBase64Encoded ? body.length : jsonLength(body, length));
  if (resultBytes > MAX_RESULT_BYTES) return tooLarge(length, headers);
  return { statusCode: response.status, headers, body, isBase64Encoded };
}

/** The parts as one text, without making one of their bytes, which would take longer than all the rest. */
function base64Of(parts: readonly Buffer[]): string {
  let text = '';
  // Three bytes are four characters: what is left of a part goes before the next one.
  let left = Buffer.alloc(0);
  for (const part of parts) {
    const missing = left.length === 0 ? 0 : 3 - left.length;
    const joined = Buffer.concat([left, part.subarray(0, missing)]);
    const end = part.length - ((part.length - missing) % 3);
    if (joined.length % 3 !== 0) {
      left = joined;
      continue;
    }
    text += joined.toString('base64') + part.toString('base64', missing, end);
    left = Buffer.from(part.subarray(end));
  }
  return text + left.toString('base64');
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
