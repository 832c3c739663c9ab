import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { rawCall } from '../setup/edges.ts';

const CONNECT = join(import.meta.dirname, '../../functions/cli/connect.ts');
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'token' };

const LARGE = 1_000_000;

type Received = { method: string; url: string; headers: IncomingHttpHeaders; body: Buffer };

/** Starts the command; `env` is all that it finds, so that no credentials of this machine are used. */
function start(args: string[], env: { [name: string]: string } = {}): ChildProcess {
  return spawn(process.execPath, [CONNECT, ...args], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('a running proxy', () => {
  const received: Received[] = [];
  let upstream: Server;
  let address: string;
  let proxy: ChildProcess;
  let url: string;

  beforeAll(async () => {
    upstream = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method = '', url: path = '', headers } = request;
      received.push({ method, url: `http://${headers.host}${path}`, headers, body: Buffer.concat(chunks) });
      if (path.includes('large') && /gzip/.test(headers['accept-encoding'] ?? '')) {
        response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync(Buffer.alloc(LARGE, 7)));
        return;
      }
      response.writeHead(path.includes('unknown') ? 404 : 200, { 'Inference-Header-Content-Length': '3' });
      response.end(Buffer.from([0, 255, 1, 254]));
    });
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    address = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    proxy = start([`${address}/v1`, '--port', '0', '--region', 'eu-west-1'], KEYS);
    const [line] = await once(proxy.stdout as NodeJS.ReadableStream, 'data');
    url = /^(http:\/\/127\.0\.0\.1:\d+) -> /.exec(String(line))?.[1] ?? '';
  });
  afterAll(async () => {
    proxy.kill('SIGTERM');
    const [code] = await once(proxy, 'exit');
    expect(code).toBe(0);
    upstream.close();
  });

  test.each<Record<string, string>>([{}, { 'accept-encoding': 'gzip' }])(
    'a compressed answer is passed on plain to %j',
    async (headers) => {
      const answer = await rawCall(url, '/v2/models/large', { headers });
      expect([answer.status, answer.headers.get('content-encoding')]).toEqual([200, null]);
      expect(answer.bytes.equals(Buffer.alloc(LARGE, 7))).toBe(true);
    },
  );

  test.each([
    ['GET', '/v2/models/digits', undefined],
    ['GET', '/v2/models/a.b-c_d/versions/12/stats?page=2&empty=&text=a%20b', undefined],
    ['POST', '/v2/repository/index', ''],
    ['POST', '/v2/models/digits/infer', Buffer.from([123, 125, 0, 255, 128])],
  ])('%s %s goes out with the signature that botocore computes', async (method, path, body) => {
    const headers = { 'inference-header-content-length': '2', 'x-request-id': 'mine', authorization: 'Bearer stray' };
    const answer = await rawCall(url, path, { method, headers, ...(body === undefined ? {} : { body }) });
    expect([answer.status, [...answer.bytes]]).toEqual([200, [0, 255, 1, 254]]);
    expect(answer.headers.get('inference-header-content-length')).toBe('3');
    const got = received.at(-1) as Received;
    expect([got.method, got.url, got.body.toString('hex')]).toEqual([
      method,
      `${address}/v1${path}`,
      Buffer.from(body ?? '').toString('hex'),
    ]);
    expect(got.headers).toMatchObject({ 'inference-header-content-length': '2', 'x-request-id': 'mine' });
    expect(got.headers['x-amz-security-token']).toBe(KEYS.AWS_SESSION_TOKEN);
    const expected = execFileSync(await ensureVenv(), [join(import.meta.dirname, 'expected_signature.py')], {
      input: JSON.stringify({
        ...got,
        body: got.body.toString('hex'),
        id: KEYS.AWS_ACCESS_KEY_ID,
        secret: KEYS.AWS_SECRET_ACCESS_KEY,
        token: KEYS.AWS_SESSION_TOKEN,
      }),
      encoding: 'utf8',
    });
    expect(got.headers.authorization).toBe(expected.trim());
    expect(got.headers.authorization).toMatch(/\/eu-west-1\/execute-api\/aws4_request/);
  });

  test.each(['//evil.example/x', '/\\evil.example/x'])('%s is a path of the API, not another host', async (path) => {
    const withoutStage = start([address, '--port', '0', '--region', 'eu-west-1'], KEYS);
    const [line] = await once(withoutStage.stdout as NodeJS.ReadableStream, 'data');
    const answer = await rawCall(/^(\S+)/.exec(String(line))?.[1] ?? '', path);
    withoutStage.kill('SIGTERM');
    expect(answer.status).toBe(200);
    expect(received.at(-1)?.url).toBe(`${address}//evil.example/x`);
  });

  test('answers come back with their status', async () => {
    expect((await rawCall(url, '/v2/models/unknown')).status).toBe(404);
  });

  test('the playground comes from this machine, and nothing is asked of the API for it', async () => {
    const before = received.length;
    const page = await rawCall(url, '/');
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('playground/main.js')]);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; /);
    expect((await rawCall(url, '/playground/main.js')).bytes.length).toBeGreaterThan(10_000);
    expect(received).toHaveLength(before);
  });

  test.each([
    [{ host: 'evil.example' }, /^Host is 'evil\.example'/],
    [{ origin: 'https://evil.example' }, /^Origin is 'https:\/\/evil\.example'/],
  ])('%o: no web page and no rebound name is signed for', async (headers, sentence) => {
    const before = received.length;
    const { status, text: body } = await rawCall(url, '/v2', { headers: headers as { [name: string]: string } });
    expect([status, JSON.parse(body).error]).toEqual([403, expect.stringMatching(sentence)]);
    expect(received).toHaveLength(before);
  });

  test('a body that API Gateway would not take', async () => {
    const headers = { 'content-length': '11000000' };
    const { status, text: body } = await rawCall(url, '/v2/models/digits/infer', {
      method: 'POST',
      headers,
      body: '{}',
    });
    expect([status, JSON.parse(body).error]).toEqual([413, expect.stringMatching(/at most 10485760 bytes/)]);
  });
});

test('an API that does not answer: 502 with a reason', async () => {
  const proxy = start(['http://127.0.0.1:9', '--port', '0', '--region', 'eu-west-1'], KEYS);
  const [line] = await once(proxy.stdout as NodeJS.ReadableStream, 'data');
  const { status, text: body } = await rawCall(String(line).split(' ')[0] ?? '', '/v2');
  proxy.kill();
  expect([status, JSON.parse(body).error]).toEqual([502, expect.stringMatching(/^127\.0\.0\.1:9 can't be reached: /)]);
});

test.each([
  [['ftp://x'], KEYS, /URL is 'ftp:\/\/x'; expected https/],
  [['http://example.com'], KEYS, /URL is 'http:\/\/example\.com'; expected https/],
  [['https://example.com'], KEYS, /'example\.com' does not say its region; expected --region or AWS_REGION/],
  [['https://abc.execute-api.eu-west-1.amazonaws.com/v1'], {}, /no AWS credentials: /],
  [['a', 'b'], KEYS, /takes one URL, got 2/],
  [['--port', 'x', 'https://example.com'], KEYS, /--port is 'x'; expected an integer from 0 to 65535/],
  [['--prot', '1'], KEYS, /Unknown option '--prot'/],
])('connect %j: a sentence and exit code 2', async (args, env, sentence) => {
  const child = start(args, env);
  const [error, [code]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), once(child, 'exit')]);
  expect(error).toMatch(sentence);
  expect(error.trim().split('\n')).toHaveLength(1);
  expect(code).toBe(2);
});

test('--help explains every option', () => {
  const help = execFileSync(process.execPath, [CONNECT, '--help'], { encoding: 'utf8' });
  for (const option of ['URL', '--port', '--region', '--profile']) expect(help).toContain(option);
});
