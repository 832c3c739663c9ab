import { promisify } from 'node:util';
import { constants, deflate, gunzip, gzip, inflate } from 'node:zlib';
import { InvalidRequest, TooLarge, Unsupported } from '../protocol/errors.ts';
import { quote } from '../protocol/names.ts';

/** What `Content-Encoding` of a request may name; `deflate` is the zlib format, as HTTP means it. */
export const ENCODINGS = 'gzip, deflate';

export class UnsupportedEncoding extends Unsupported {}

type Encoding = 'gzip' | 'deflate';

const decompress = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const compress = { gzip: promisify(gzip), deflate: promisify(deflate) };

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
    const decoded = await decompress[name](body, { maxOutputLength: limit });
    return new Uint8Array(decoded.buffer as ArrayBuffer, decoded.byteOffset, decoded.byteLength);
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
  const encoded = await compress[encoding](Buffer.concat(parts), { level: constants.Z_BEST_SPEED });
  return new Uint8Array(encoded.buffer as ArrayBuffer, encoded.byteOffset, encoded.byteLength);
}
