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

/** @param parts whose body comes whole by `arrayBuffer`, or part by part by `body`, whichever is asked for */
export function plainRequest(
  parts: Pick<Request, 'method' | 'url' | 'arrayBuffer'> & {
    readonly headers: Values;
    readonly body: AsyncIterable<Uint8Array> | null;
  },
): Request {
  const { method, url, arrayBuffer } = parts;
  const request = {
    method,
    url,
    headers: new PlainHeaders(parts.headers),
    get body() {
      return parts.body;
    },
    arrayBuffer,
  };
  return request as unknown as Request;
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
