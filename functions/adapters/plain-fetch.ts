// The parts of `Headers`, `Request` and `Response` that are used here. Node's own come with all of its `fetch`, which took 27 ms of
// a function's start to load: more than ONNX Runtime's code.

/** By names in lower case. */
type Values = { readonly [name: string]: string | readonly string[] | undefined };

/** Names are not case-sensitive. Iterates over pairs of a name in lower case and its value. */
class PlainHeaders implements Iterable<[name: string, value: string]> {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  get(name: string): string | null {
    const value = this.#values[name.toLowerCase()];
    return value === undefined ? null : typeof value === 'string' ? value : value.join(', ');
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const name of Object.keys(this.#values)) yield [name, this.get(name) ?? ''];
  }
}

/** A request's body: whole, or part by part, whichever is asked for. */
type PlainBody = {
  readonly whole: () => Promise<ArrayBuffer>;
  /** Undefined where it comes whole only. */
  readonly parts?: () => AsyncIterable<Uint8Array>;
};

/**
 * A class, not an object with a getter: V8 makes a hidden class for each such object, which keeps the request's memory from the
 * young generation's collector.
 */
class PlainRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: PlainHeaders;
  readonly #body: PlainBody;

  constructor(method: string, url: string, headers: Values, body: PlainBody) {
    this.method = method;
    this.url = url;
    this.headers = new PlainHeaders(headers);
    this.#body = body;
  }

  get body(): AsyncIterable<Uint8Array> | null {
    return this.#body.parts?.() ?? null;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#body.whole();
  }
}

export function plainRequest(method: string, url: string, headers: Values, body: PlainBody): Request {
  return new PlainRequest(method, url, headers, body) as unknown as Request;
}

/** Its body is iterated over, as that of a `Response` can be. */
export function plainResponse(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  { status, headers }: { readonly status: number; readonly headers: { readonly [name: string]: string } },
): Response {
  const parts = typeof body === 'string' ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;
  const values: { [name: string]: string } = {};
  for (const name in headers) values[name.toLowerCase()] = headers[name] as string;
  return { status, headers: new PlainHeaders(values), body: parts } as unknown as Response;
}
