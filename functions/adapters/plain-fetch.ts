// The parts of `Headers`, `Request` and `Response` that are used here. Node's own come with all of its `fetch`: 27 ms of a start, more
// than ONNX Runtime's code, and then a third of what a request to a small model costs.

/** Names are not case-sensitive. Iterates over pairs of a name in lower case and its value. */
class PlainHeaders implements Iterable<[name: string, value: string]> {
  readonly #values = new Map<string, string>();

  constructor(headers: { readonly [name: string]: string | readonly string[] | undefined }) {
    for (const name in headers) {
      const value = headers[name];
      if (value !== undefined)
        this.#values.set(name.toLowerCase(), typeof value === 'string' ? value : value.join(', '));
    }
  }

  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.#values[Symbol.iterator]();
  }
}

type Headed = { readonly headers: ConstructorParameters<typeof PlainHeaders>[0] };

/** @param parts whose body comes whole by `arrayBuffer`, or part by part by `body`, whichever is asked for */
export function plainRequest(
  parts: Headed & Pick<Request, 'method' | 'url' | 'arrayBuffer'> & { readonly body: AsyncIterable<Uint8Array> | null },
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
  { status, headers }: Headed & { readonly status: number },
): Response {
  const parts = typeof body === 'string' ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;
  return { status, headers: new PlainHeaders(headers), body: parts } as unknown as Response;
}
