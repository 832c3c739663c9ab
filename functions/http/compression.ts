import type { ZlibOptions } from 'node:zlib';
import { InvalidRequest, TooLarge, Unsupported } from '../protocol/errors.ts';
import { quote } from '../protocol/names.ts';

/** What `Content-Encoding` of a request may name; `deflate` is the zlib format, as HTTP means it. */
export const ENCODINGS = 'gzip, deflate';

export class UnsupportedEncoding extends Unsupported {}

type Encoding = 'gzip' | 'deflate';

/** zlib's level. */
const FASTEST = 1;
const DECOMPRESS = { gzip: 'gunzip', deflate: 'inflate' } as const;

/** By a function of node:zlib. */
async function converted(
  by: Encoding | 'gunzip' | 'inflate',
  bytes: Uint8Array,
  options: ZlibOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  // Few requests need it, and it would take 2 ms of each cold start; `promisify` comes with all of node:util, another 3.
  const zlib = await import('node:zlib');
  return new Promise((resolve, reject) => {
    zlib[by](bytes, options, (error, result) => {
      if (error) reject(error);
      else resolve(new Uint8Array(result.buffer as ArrayBuffer, result.byteOffset, result.byteLength));
    });
  });
}

/** Shorter responses would hardly shrink. */
const MIN_BYTES = 1_024;

/**
 * The body as it was before the client compressed it.
 * @throws UnsupportedEncoding for another encoding, TooLarge when more than `limit` bytes come out, InvalidRequest
 */
export async function decodeBody(
  body: Uint8Array<ArrayBuffer>,
  encoding: string | undefined,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = encoding?.trim().toLowerCase() || 'identity';
  if (name === 'identity') return body;
  if (name !== 'gzip' && name !== 'deflate') {
    throw new UnsupportedEncoding(`Content-Encoding is ${quote(name)}; expected one of ${ENCODINGS}`);
  }
  try {
    return await converted(DECOMPRESS[name], body, { maxOutputLength: limit });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new TooLarge(`the decompressed body is too large; expected at most ${limit} bytes (MAX_BODY_BYTES)`);
    }
    throw new InvalidRequest(`the body is not what Content-Encoding says, ${name}`);
  }
}

/** Which encoding a response to this `Accept-Encoding` gets; undefined: none. */
export function chooseEncoding(accept: string | undefined, bytes: number): Encoding | undefined {
  if (accept === undefined || bytes < MIN_BYTES) return undefined;
  const accepted = accept
    .toLowerCase()
    .split(',')
    .filter((item) => !/;\s*q=0(?:\.0*)?\s*$/.test(item))
    .map((item) => item.split(';')[0]?.trim());
  return (['gzip', 'deflate'] as const).find((name) => accepted.includes(name));
}

export async function encodeBody(parts: readonly Uint8Array[], encoding: Encoding): Promise<Uint8Array<ArrayBuffer>> {
  // The fastest level: the client asked for fewer bytes, not for waiting.
  return converted(encoding, Buffer.concat(parts), { level: FASTEST });
}
