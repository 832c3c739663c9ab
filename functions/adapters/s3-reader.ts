import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Range, RangeConnection, type WriteBytes } from './range-connection.ts';
import { type Credentials, signedHeaders } from './sigv4.ts';

const CONNECT_TIMEOUT_MS = 2_000;
/** Longest silence of a connection. */
const SOCKET_TIMEOUT_MS = 10_000;
const TRIES = 3;
const FIRST_PAUSE_MS = 100;
/** Credentials change every few hours, and keys with each day. */
const MAX_KEYS = 4;
/** A smaller range is not worth a connection of its own. */
const MIN_OWN_BYTES = 4 * 1024 * 1024;

/** S3 has refused a request. */
export class S3Refused extends Error {
  readonly status: number;
  /** As S3 names it: `NoSuchKey`, `AccessDenied`. */
  readonly code: string;

  constructor(status: number, code: string) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
  }
}

export type S3Listing = {
  readonly objects: readonly { readonly key: string; readonly etag: string; readonly size: number }[];
  readonly prefixes: readonly string[];
  readonly next: string | undefined;
};

/**
 * Reads one bucket of S3, or of what AWS_ENDPOINT_URL names: signed requests and no more. The AWS SDK would take longer to load
 * than ONNX Runtime.
 *
 * Every method throws S3Refused, or what Node.js says of a connection.
 */
export class S3Reader {
  readonly #bucket: string;
  readonly #endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  readonly #agents = { 'http:': new HttpAgent({ keepAlive: true }), 'https:': new HttpsAgent({ keepAlive: true }) };
  #region = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1';
  #credentials: (() => Promise<Credentials>) | undefined;
  /** Of the credentials, for a day each. */
  readonly #keys = new Map<string, ArrayBuffer>();
  /** Those that wait for a next range. They are closed when none is asked for any more. */
  readonly #idle: RangeConnection[] = [];
  #ranges = 0;

  constructor(bucket: string) {
    this.#bucket = bucket;
  }

  /** @param headers like `range` and `if-match` */
  get(key: string, headers: { readonly [name: string]: string } = {}): Promise<IncomingMessage> {
    return this.#request('GET', pathOf(key), headers);
  }

  /**
   * Writes a range of an object's content: all of it, or what came until the connection broke off.
   * @param etag that the object still has to have
   */
  async range(key: string, etag: string, range: Range, write: WriteBytes): Promise<void> {
    const { start, end } = range;
    const headers = { 'if-match': etag, range: `bytes=${start}-${end - 1}` };
    if (end - start >= MIN_OWN_BYTES && (await this.#rangeByOwn(pathOf(key), headers, range, write))) return;
    const answer = await this.get(key, headers);
    try {
      for await (const piece of answer) await write(piece);
    } catch (error) {
      if (error !== answer.errored) throw error;
    }
  }

  /** The same without the content. */
  async head(key: string, headers: { readonly [name: string]: string } = {}): Promise<void> {
    (await this.#request('HEAD', pathOf(key), headers)).resume();
  }

  /** A page of the keys that begin with `prefix`; with a delimiter, of what is between the two. */
  async list(prefix: string, delimiter: string | undefined, page: string | undefined): Promise<S3Listing> {
    const query = new URLSearchParams({ 'list-type': '2', 'encoding-type': 'url', prefix });
    if (delimiter !== undefined) query.set('delimiter', delimiter);
    if (page !== undefined) query.set('continuation-token', page);
    const answer = await this.#request('GET', `?${query}`, {});
    return parseListing((await buffer(answer)).toString());
  }

  /** Ends the connections that are kept, and forgets credentials; the next call has new ones. */
  disconnect(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
    this.#credentials = undefined;
    this.#keys.clear();
  }

  /** @returns whether that has done it; otherwise it is to be asked for in the usual way, which tells what is wrong */
  async #rangeByOwn(
    path: string,
    headers: { readonly [name: string]: string },
    range: Range,
    write: WriteBytes,
  ): Promise<boolean> {
    this.#ranges++;
    try {
      const url = this.#url(path);
      const signed = await this.#signed('GET', url, headers);
      const kept = this.#idle.pop();
      const connection = kept?.isOpen ? kept : new RangeConnection(url);
      const isAnswered = await connection.get(`${url.pathname}${url.search}`, signed, range, write);
      if (connection.isOpen) this.#idle.push(connection);
      return isAnswered;
    } finally {
      this.#ranges--;
      if (this.#ranges === 0) for (const connection of this.#idle.splice(0)) connection.close();
    }
  }

  /** Tries again what may pass: broken connections, and a service that is too busy. */
  async #request(method: string, path: string, headers: { readonly [name: string]: string }): Promise<IncomingMessage> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#requestOnce(method, path, headers, tries > 1);
      } catch (error) {
        const { status = 503 } = error as { status?: number };
        const mayPass = status === 429 || status >= 500;
        if (!mayPass || tries === TRIES) throw error;
      }
      await sleep(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random()));
    }
  }

  async #requestOnce(
    method: string,
    path: string,
    headers: { readonly [name: string]: string },
    isFresh: boolean,
    mayMove = true,
  ): Promise<IncomingMessage> {
    const url = this.#url(path);
    const answer = await this.#send(method, url, await this.#signed(method, url, headers), isFresh);
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const text = (await buffer(answer)).toString();
    // The bucket is in another region, which the answer names.
    const region = answer.headers['x-amz-bucket-region'];
    if (mayMove && typeof region === 'string' && region !== this.#region) {
      this.#region = region;
      return this.#requestOnce(method, path, headers, isFresh, false);
    }
    throw new S3Refused(statusCode, /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? `status ${statusCode}`);
  }

  async #signed(
    method: string,
    url: URL,
    headers: { readonly [name: string]: string },
  ): Promise<{ [name: string]: string }> {
    const credentials = await this.#signer();
    if (this.#keys.size > MAX_KEYS) this.#keys.clear();
    return signedHeaders({ service: 's3', region: this.#region, credentials }, method, url, headers, this.#keys);
  }

  /** @param isFresh on a new connection: those that were kept may have died while a function stood still */
  #send(method: string, url: URL, headers: { [name: string]: string }, isFresh: boolean): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const protocol = url.protocol === 'http:' ? 'http:' : 'https:';
    const send = protocol === 'http:' ? httpRequest : httpsRequest;
    const sent = send(url, {
      method,
      headers,
      agent: isFresh ? false : this.#agents[protocol],
      timeout: SOCKET_TIMEOUT_MS,
    });
    const late = (): void => void sent.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
    sent.on('socket', (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(late, CONNECT_TIMEOUT_MS);
      socket.once('connect', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
    });
    sent.on('timeout', late).on('error', reject).on('response', resolve).end();
    return promise;
  }

  /** An endpoint of one's own is seldom reached by names of buckets; nor are names with dots, over TLS. */
  #url(path: string): URL {
    const endpoint = this.#endpoint ?? `https://s3.${this.#region}.${domainOf(this.#region)}`;
    if (this.#endpoint !== undefined || this.#bucket.includes('.')) {
      return new URL(`${endpoint.replace(/\/+$/, '')}/${this.#bucket}${path.startsWith('?') ? '' : '/'}${path}`);
    }
    return new URL(`${endpoint.replace('//', `//${this.#bucket}.`)}/${path}`);
  }

  /** Those of the environment, as Lambda has them, need no code; the SDK knows all other places. */
  async #signer(): Promise<Credentials> {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = process.env;
    if (AWS_ACCESS_KEY_ID && AWS_SECRET_ACCESS_KEY && !AWS_PROFILE) {
      const sessionToken = AWS_SESSION_TOKEN || undefined;
      return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken };
    }
    this.#credentials ??= (await import('./aws-credentials.ts')).awsCredentials(undefined);
    return this.#credentials();
  }
}

function pathOf(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}

function domainOf(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
}

/** Keys come encoded as in a URL, so that nothing in them is XML. */
function parseListing(xml: string): S3Listing {
  const text = (part: string, name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(part)?.[1] ?? '';
  const parts = (name: string): string[] =>
    [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, part = '']) => part);
  const isEncoded = text(xml, 'EncodingType') === 'url';
  const keyOf = (found: string): string =>
    isEncoded ? decodeURIComponent(found.replaceAll('+', ' ')) : unescaped(found);
  return {
    objects: parts('Contents').map((part) => ({
      key: keyOf(text(part, 'Key')),
      etag: unescaped(text(part, 'ETag')),
      size: Number(text(part, 'Size')),
    })),
    prefixes: parts('CommonPrefixes').map((part) => keyOf(text(part, 'Prefix'))),
    next: unescaped(text(xml, 'NextContinuationToken')) || undefined,
  };
}

function unescaped(text: string): string {
  const entities: { readonly [name: string]: string } = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hexadecimal, name) => {
    if (name !== undefined) return entities[name] ?? whole;
    return String.fromCodePoint(decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal));
  });
}
