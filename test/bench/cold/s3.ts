// A process that answers as S3 does for a folder, as far as reading goes: `s3.ts FOLDER MEGABYTES_PER_SECOND
// [ADDRESS]`; 0 is no limit. Prints its port. The bucket is called `bucket`.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const [folder = '', rate = '0', address = '127.0.0.1'] = process.argv.slice(2);
const bytesPerMs = Number(rate) * 1000;
const CHUNK_BYTES = 256 * 1024;
/** When the line is free again, for all connections together. */
let freeAt = 0;

/** From memory: what a disk takes, and what is copied on the way, would take the client's share of the processor. */
const contents = new Map<string, Buffer>();

function contentOf(key: string): Buffer {
  const content = contents.get(key) ?? readFileSync(join(folder, key));
  contents.set(key, content);
  return content;
}

async function* paced(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES);
    if (bytesPerMs > 0) {
      freeAt = Math.max(freeAt, performance.now()) + chunk.length / bytesPerMs;
      const wait = freeAt - performance.now();
      if (wait > 1) await sleep(wait);
    }
    yield chunk;
  }
}

function listing(prefix: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const keys = files.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const contents = keys
    .filter((key) => key.startsWith(prefix))
    .map(
      (key) =>
        `<Contents><Key>${key}</Key><ETag>"${key.length}"</ETag><Size>${statSync(join(folder, key)).size}</Size></Contents>`,
    );
  const prefixes = [...new Set(keys.map((key) => key.split('/')[0]))].map(
    (name) => `<CommonPrefixes><Prefix>${name}/</Prefix></CommonPrefixes>`,
  );
  return `<?xml version="1.0"?><ListBucketResult>${prefix === '' ? prefixes.join('') : contents.join('')}</ListBucketResult>`;
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const key = decodeURIComponent(pathname).replace(/^\/bucket\/?/, '');
  if (searchParams.has('list-type')) {
    response.writeHead(200, { 'content-type': 'application/xml' }).end(listing(searchParams.get('prefix') ?? ''));
    return;
  }
  const { size } = statSync(join(folder, key));
  const [, start = '0', last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const end = last || `${size - 1}`;
  response.writeHead(request.headers.range === undefined ? 200 : 206, {
    etag: `"${key.length}"`,
    'content-length': Number(end) - Number(start) + 1,
    'content-range': `bytes ${start}-${end}/${size}`,
  });
  if (request.method === 'HEAD') response.end();
  else
    await pipeline(Readable.from(paced(contentOf(key).subarray(Number(start), Number(end) + 1))), response).catch(
      () => {},
    );
});
server.listen(0, address, () => console.log((server.address() as AddressInfo).port));
