// Ranges of an object of 5 MB over connections of our own, from servers that answer well, and otherwise.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { S3Reader } from '../../functions/adapters/s3-reader.ts';

const MB = 1024 ** 2;
const content = Buffer.alloc(5 * MB + 3).map((_, i) => (i * 7919) >> 3);
const folder = mkdtempSync(join(tmpdir(), 'ranges-'));

let answer: (request: IncomingMessage, response: ServerResponse, range: { start: number; end: number }) => void;
const asked: { range: string | undefined; etag: string | undefined; socket: object }[] = [];
const listener: RequestListener = (request, response) => {
  const { range, 'if-match': etag } = request.headers;
  asked.push({ range, etag, socket: request.socket });
  const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  answer(request, response, { start: Number(start), end: Number(last) + 1 });
};
/** As S3 does. */
const whole: typeof answer = (_, response, { start, end }) => {
  response.writeHead(206, {
    'content-length': end - start,
    'content-range': `bytes ${start}-${end - 1}/${content.length}`,
  });
  response.end(content.subarray(start, end));
};

const servers = new Map<string, Server>([['http', createServer(listener)]]);
beforeAll(async () => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...made, ...subject], { stdio: 'ignore' });
  setDefaultCACertificates([...getCACertificates(), readFileSync(cert, 'utf8')]);
  servers.set('https', createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, listener));
  for (const server of servers.values()) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }
});
afterAll(() => {
  for (const server of servers.values()) server.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => vi.unstubAllEnvs());
beforeEach(() => {
  asked.length = 0;
});

function readerOf(scheme: string, host = 'localhost'): S3Reader {
  const { port } = (servers.get(scheme) as Server).address() as AddressInfo;
  vi.stubEnv('AWS_ENDPOINT_URL', `${scheme}://${host}:${port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  return new S3Reader('bucket');
}

/** What comes of a range, copied as its memory is used again. */
async function read(reader: S3Reader, start = 0, end = content.length, write = async () => {}): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await reader.range('a b/model', '"e"', { start, end }, async (bytes) => {
    await write();
    pieces.push(Buffer.from(bytes));
  });
  return Buffer.concat(pieces);
}

const isContent = (found: Buffer, start = 0, end = content.length): void => {
  expect([found.length, found.equals(content.subarray(start, end))]).toEqual([end - start, true]);
};

describe.each([
  ['http', 'localhost'],
  ['https', 'localhost'],
  ['https', '127.0.0.1'],
])('by %s from %s', (scheme, host) => {
  test('ranges come whole, one after the other over one connection', async () => {
    answer = whole;
    const reader = readerOf(scheme, host);
    // Until it is whole the other one is kept.
    const held = read(reader, 0, content.length, () => sleep(10));
    for (const [start, end] of [
      [1, 4 * MB + 1],
      [MB, content.length],
    ] as const) {
      isContent(await read(reader, start, end), start, end);
    }
    isContent(await held);
    expect(new Set(asked.map(({ socket }) => socket)).size).toBe(2);
    expect(asked.map(({ etag }) => etag)).toEqual(['"e"', '"e"', '"e"']);
  });

  test('who writes slowly is waited for', async () => {
    answer = whole;
    let writing = 0;
    let most = 0;
    const slow = async (): Promise<void> => {
      most = Math.max(most, ++writing);
      await sleep(10);
      writing--;
    };
    isContent(await read(readerOf(scheme, host), 0, content.length, slow));
    expect(most).toBe(1);
  });
});

test('what came until the connection broke off is written', async () => {
  answer = (_, response, { start, end }) => {
    response.writeHead(206, { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/9` });
    response.write(content.subarray(start, start + 3 * MB), () => setTimeout(() => response.destroy(), 20));
  };
  isContent(await read(readerOf('http')), 0, 3 * MB);
  expect(asked).toHaveLength(1);
});

const USUAL: [what: string, answer: typeof answer][] = [
  ['in chunks', (_, response, { start, end }) => response.writeHead(206).end(content.subarray(start, end))],
  [
    'of another range',
    (request, response, range) => {
      if (asked.length > 1) return whole(request, response, range);
      return whole(request, response, { start: 1, end: range.end });
    },
  ],
  [
    'not at all',
    (request, response, range) => {
      if (asked.length > 1) return whole(request, response, range);
      return request.socket.destroy();
    },
  ],
  [
    'that it is busy',
    (request, response, range) => {
      if (asked.length > 2) return whole(request, response, range);
      return response.writeHead(503).end();
    },
  ],
  [
    'with a head without end',
    (request, response, range) => {
      if (asked.length > 1) return whole(request, response, range);
      return request.socket.write(`HTTP/1.1 206 Partial Content\r\nx: ${'x'.repeat(100_000)}`);
    },
  ],
];
test.each(USUAL)('a server that answers %s is asked in the usual way', async (_, first) => {
  answer = first;
  isContent(await read(readerOf('http')));
  expect(asked.length).toBeGreaterThan(1);
});

test('what S3 refuses is told', async () => {
  answer = (_, response) => response.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>');
  await expect(read(readerOf('http'))).rejects.toMatchObject({ status: 412, code: 'PreconditionFailed' });
});

test('a server whose certificate nobody vouches for gets no request', async () => {
  answer = whole;
  setDefaultCACertificates(getCACertificates('bundled'));
  await expect(read(readerOf('https'))).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(asked).toHaveLength(0);
});

test('a server that goes on behind the range spoils nothing', async () => {
  answer = ({ socket }, _, { start, end }) => {
    socket.write(`HTTP/1.1 206 Partial Content\r\ncontent-length: ${end - start}\r\n`);
    socket.write(`content-range: bytes ${start}-${end - 1}/${content.length}\r\n\r\n`);
    socket.end(Buffer.concat([content.subarray(start, end), Buffer.alloc(MB)]));
  };
  isContent(await read(readerOf('http')));
});

test('a disk that takes no more ends the connection', async () => {
  let closed = 0;
  answer = (request, response, range) => {
    request.socket.on('close', () => closed++);
    whole(request, response, range);
  };
  const full = async (): Promise<void> => {
    throw new Error('full');
  };
  await expect(read(readerOf('http'), 0, content.length, full)).rejects.toThrow('full');
  await vi.waitFor(() => expect(closed).toBe(1));
});
