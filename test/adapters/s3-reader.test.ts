// What S3 may answer, by a server that says it.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { AwsV4Signer } from 'aws4fetch';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { S3Reader } from '../../functions/adapters/s3-reader.ts';

let answer: (request: IncomingMessage, response: ServerResponse) => void;
const asked: { url: string | undefined; authorization: string; socket: object }[] = [];
const server = createServer((request, response) => {
  asked.push({ url: request.url, authorization: request.headers.authorization ?? '', socket: request.socket });
  answer(request, response);
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.address() as AddressInfo).port;
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_SESSION_TOKEN', 'token');
  vi.stubEnv('AWS_REGION', 'eu-central-1');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
});

const page = (keys: readonly string[], next?: string): string =>
  `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType>${keys
    .map((key) => `<Contents><Key>${key}</Key><ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>`)
    .join('')}<CommonPrefixes><Prefix>a%2B/</Prefix></CommonPrefixes>${
    next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`
  }</ListBucketResult>`;

test('keys of a listing are what they are, and it goes on where it ended', async () => {
  answer = (_, response) => response.end(page(['a+b%2Bc%26%3Cd/%C3%A9'], 'next/=&amp;'));
  const found = await new S3Reader('bucket').list('models/', '/', 'to+ken');
  expect(found).toEqual({
    objects: [{ key: 'a b+c&<d/é', etag: '"e"', size: 7 }],
    prefixes: ['a+/'],
    next: 'next/=&',
  });
  const { pathname, searchParams } = new URL(asked[0]?.url ?? '', 'http://localhost');
  expect(pathname).toBe('/bucket');
  expect(Object.fromEntries(searchParams)).toEqual({
    'list-type': '2',
    'encoding-type': 'url',
    prefix: 'models/',
    delimiter: '/',
    'continuation-token': 'to+ken',
  });
});

test('a key is asked for whole, signed for its region, with the session of its credentials', async () => {
  answer = (request, response) => response.end(`${request.headers['x-amz-security-token']}`);
  expect(await text(await new S3Reader('bucket').get('a b/c+d&é.onnx', { range: 'bytes=0-6' }))).toBe('token');
  expect(asked[0]?.url).toBe('/bucket/a%20b/c%2Bd%26%C3%A9.onnx');
  expect(asked[0]?.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/eu-central-1\/s3\/aws4_request, /);
});

test('each request is signed anew, by the credentials that are there then', async () => {
  const signed: [found: string, expected: string][] = [];
  answer = async ({ headers, url }, response) => {
    const signer = new AwsV4Signer({
      url: `${process.env.AWS_ENDPOINT_URL}${url}`,
      accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? '',
      sessionToken: 'token',
      service: 's3',
      region: 'eu-central-1',
      datetime: String(headers['x-amz-date']),
    });
    signed.push([headers.authorization ?? '', (await signer.sign()).headers.get('authorization') ?? '']);
    response.end('found');
  };
  const reader = new S3Reader('bucket');
  for (const secret of ['secret', 'secret', 'other', 'secret']) {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secret);
    await text(await reader.get('key'));
  }
  expect(signed.map(([found]) => found)).toEqual(signed.map(([, expected]) => expected));
});

test('a bucket of another region is asked there', async () => {
  answer = ({ headers }, response) => {
    const isThere = headers.authorization?.includes('/us-west-2/');
    response.writeHead(isThere ? 200 : 301, { 'x-amz-bucket-region': 'us-west-2' }).end('found');
  };
  const reader = new S3Reader('bucket');
  expect(await text(await reader.get('key'))).toBe('found');
  expect(await text(await reader.get('key'))).toBe('found');
  expect(asked).toHaveLength(3);
});

test('what may pass is tried again, on a new connection', async () => {
  answer = (_, response) => {
    if (asked.length === 2) response.destroy();
    else if (asked.length === 3) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
    else response.end('found');
  };
  const reader = new S3Reader('bucket');
  expect(await text(await reader.get('first'))).toBe('found');
  expect(await text(await reader.get('second'))).toBe('found');
  expect([asked.length, new Set(asked.map(({ socket }) => socket)).size]).toEqual([4, 3]);
});

test.each([
  [404, '<Error><Code>NoSuchKey</Code></Error>', 'NoSuchKey', 1],
  [403, '<Error><Code>AccessDenied</Code></Error>', 'AccessDenied', 1],
  [304, '', 'status 304', 1],
  [503, '<Error><Code>SlowDown</Code></Error>', 'SlowDown', 3],
])('%i is told after as many tries as make sense', async (status, body, code, tries) => {
  answer = (_, response) => response.writeHead(status).end(body);
  await expect(new S3Reader('bucket').get('key')).rejects.toMatchObject({ status, code });
  expect(asked).toHaveLength(tries);
});
