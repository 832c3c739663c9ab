import { InvalidRequest, TooLarge } from '../protocol/errors.ts';
import { JsonReader } from '../protocol/json-reader.ts';
import { quote } from '../protocol/names.ts';

/**
 * The request's body, of at most `limit` bytes. A length announced above the limit is refused before a byte is read; a
 * body that announces none is refused as soon as it passes the limit.
 *
 * @throws TooLarge, or InvalidRequest when the client stops sending
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = request.headers.get('content-length');
  try {
    if (announced !== null) {
      // Node's HTTP parser guarantees that no more bytes than announced arrive.
      if (Number(announced) > limit) throw tooLarge(`${announced} bytes`, limit);
      return new Uint8Array(await request.arrayBuffer());
    }
    return await readUnannounced(request, limit);
  } catch (error) {
    if (error instanceof TooLarge) throw error;
    throw new InvalidRequest('the request ended before its body was complete');
  }
}

async function readUnannounced(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > limit) throw tooLarge('more', limit);
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

function tooLarge(got: string, limit: number): TooLarge {
  return new TooLarge(`the request body is too large: got ${got}; expected at most ${limit} bytes (MAX_BODY_BYTES)`);
}

/**
 * How many bytes of the body are JSON, from the header of the binary tensor data extension; 0 for a raw request.
 * @throws InvalidRequest for anything but an integer up to the body's length
 */
export function headerLength(header: string | undefined, bodyLength: number): number | undefined {
  if (header === undefined) return undefined;
  const length = /^[0-9]{1,10}$/.test(header) ? Number(header) : Number.NaN;
  if (!(length <= bodyLength)) {
    throw new InvalidRequest(
      `Inference-Header-Content-Length is ${quote(header)}; expected the bytes of JSON, from 0 to the body's ${bodyLength}`,
    );
  }
  return length;
}

/**
 * The `ready` of a repository index request, whose body may be empty.
 * @throws InvalidRequest
 */
export function readyOnly(body: Uint8Array): boolean {
  if (body.length === 0) return false;
  const reader = new JsonReader(body);
  let ready = false;
  reader.object('the request', (key) => {
    if (key === 'ready') ready = reader.boolean("'ready'");
    else reader.skip(quote(key));
  });
  reader.end();
  return ready;
}
