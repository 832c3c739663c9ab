// The parts of `Headers`, `Request` and `Response` that are needed to answer an event. Node's own come with all of `fetch`, and
// take 27 ms of a function's start to load: more than ONNX Runtime's code.

/** Names are not case-sensitive. Iterates over pairs of a name in lower case and its value. */
class PlainHeaders implements Iterable<[name: string, value: string]> {
  readonly #values = new Map<string, string>();

  constructor(entries: Iterable<readonly [name: string, value: string]>) {
    for (const [name, value] of entries) this.#values.set(name.toLowerCase(), value);
  }

  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.#values[Symbol.iterator]();
  }
}

/** @param body memory of its own, which is handed out as it is */
export function plainRequest(
  method: string,
  url: string,
  headers: Iterable<readonly [name: string, value: string]>,
  body: ArrayBuffer,
): Request {
  const request: Pick<Request, 'method' | 'url' | 'arrayBuffer' | 'body'> & { headers: PlainHeaders } = {
    method,
    // Normalised, as a `Request` does it.
    url: new URL(url).href,
    headers: new PlainHeaders(headers),
    body: null,
    arrayBuffer: async () => body,
  };
  return request as unknown as Request;
}

/** Its body is iterated over, as that of a `Response` can be. */
export function plainResponse(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  { status, headers }: { readonly status: number; readonly headers: { readonly [name: string]: string } },
): Response {
  const parts = typeof body === 'string' ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;
  const response = { status, headers: new PlainHeaders(Object.entries(headers)), body: parts };
  return response as unknown as Response;
}
