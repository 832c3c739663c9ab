import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rawCall, type ServerProcess, startServer } from '../setup/edges.ts';
import { identityInput, infer, ones } from '../setup/requests.ts';

const input = identityInput('FP32', [1, 1], [1]);
const body = JSON.stringify({ inputs: input });
const PATH = '/v2/models/identity_fp32/infer';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const copyModel = (from: string, to: string): void =>
  cpSync(join(inject('repository'), from, '1'), join(folder, to), { recursive: true });

async function withServer(
  env: { [name: string]: string },
  use: (server: ServerProcess) => Promise<void>,
): Promise<void> {
  const server = await startServer({ MODEL_REPOSITORY: inject('repository'), ...env });
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

describe('who may call a server on a loopback address', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startServer({ MODEL_REPOSITORY: inject('repository') });
  });
  afterAll(() => server.close());

  test.each(['localhost', '127.0.0.1:8080', '[::1]:8080', 'LOCALHOST'])('Host: %s may', async (host) => {
    expect((await server.call('/v2', { headers: { host } })).status).toBe(200);
  });

  test.each(['example.com', 'localhost.example.com', '127.0.0.1.example.com', '169.254.169.254', 'a@b'])(
    'Host: %s may not',
    async (host) => {
      const { status, text } = await server.call(PATH, { headers: { host }, body });
      expect([status >= 400 && status < 500, JSON.parse(text || '{"error":"Host"}').error]).toEqual([
        true,
        expect.stringContaining('Host'),
      ]);
    },
  );

  test.each(['http://localhost:3000', 'http://127.0.0.1:8080'])('Origin: %s may', async (origin) => {
    expect((await server.call(PATH, { headers: { origin }, body })).status).toBe(200);
  });

  test.each(['https://example.com', 'null', 'http://localhost.example.com'])('Origin: %s may not', async (origin) => {
    const { status, text } = await server.call(PATH, { headers: { origin }, body });
    expect([status, JSON.parse(text).error]).toEqual([403, expect.stringContaining('Origin')]);
  });
});

test('with API_TOKEN every path asks for it, health and metrics too', async () => {
  const token = 'a-token-of-enough-length';
  await withServer({ API_TOKEN: token, HOST: '0.0.0.0' }, async ({ url, logged }) => {
    const local = url.replace('0.0.0.0', '127.0.0.1');
    for (const path of ['/v2', '/v2/health/live', '/metrics', '/v2/models/identity_fp32', '/nothing']) {
      for (const authorization of [undefined, 'Bearer', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`]) {
        const { status, text } = await rawCall(local, path, { headers: authorization ? { authorization } : {} });
        expect([status, JSON.parse(text).error], path).toEqual([
          401,
          expect.stringContaining("'Authorization: Bearer'"),
        ]);
      }
    }
    const headers = { authorization: `Bearer ${token}`, host: 'model.example.com' };
    expect((await rawCall(local, PATH, { headers, body })).status).toBe(200);
    expect(JSON.stringify(logged)).not.toContain(token);
  });
});

describe('the limit of a body', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startServer({ MODEL_REPOSITORY: inject('repository'), MAX_BODY_BYTES: '1000' });
  });
  afterAll(() => server.close());

  const padded = (bytes: number): string => body + ' '.repeat(bytes - body.length);

  test('up to the limit', async () => {
    expect((await server.call(PATH, { body: padded(1000) })).status).toBe(200);
  });

  test('above it, announced: 413 before the body is sent', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(
      /^HTTP\/1\.1 413 .*\{"error":"the request body is too large: got 100000000000 bytes; expected at most 1000 bytes/s,
    );
    socket.destroy();
  });

  test('above it, not announced: 413 before all of it is sent', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`);
    // There is no end to it: one chunk, and none that says that it was the last. More would meet a closed connection.
    socket.write(`400\r\n${' '.repeat(1024)}\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 .*expected at most 1000 bytes/s);
    socket.destroy();
  });

  test('a client that goes away while it sends: the next one is served', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{"inputs"`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect((await server.call(PATH, { body })).status).toBe(200);
  });
});

describe('a model computes', () => {
  test('and the health check answers meanwhile; at its deadline it is killed, and its neighbour never waits', async () => {
    await withServer({ REQUEST_TIMEOUT_MS: '15000' }, async (server) => {
      const endless = await ones(server, 'endless_loop');
      let ended = 0;
      const hanging = Array.from({ length: 4 }, () => infer(server, 'endless_loop', endless).finally(() => ended++));
      for (let answers = 0; answers < 20; answers++) {
        expect((await server.call('/v2/health/live')).status).toBe(200);
        expect((await infer(server, 'identity_fp32', input)).status).toBe(200);
      }
      expect(ended).toBe(0);
      for (const { status, text } of await Promise.all(hanging)) {
        expect(status).toBe(504);
        expect(JSON.parse(text).error).toMatch(/^model 'endless_loop' did not answer within \d+ ms$/);
      }
      expect((await infer(server, 'identity_fp32', input)).status).toBe(200);
    });
  });

  test('and more requests come than may wait: 503 with Retry-After for those, answers for the others', async () => {
    await withServer({ MAX_QUEUE_SIZE: '2' }, async (server) => {
      const slow = await ones(server, 'slow_matmul');
      const replies = await Promise.all(Array.from({ length: 12 }, () => infer(server, 'slow_matmul', slow)));
      const refused = replies.filter(({ status }) => status === 503);
      expect(refused.length).toBeGreaterThan(0);
      expect(refused[0]?.headers.get('retry-after')).toBe('1');
      expect(JSON.parse(refused[0]?.text ?? '').error).toMatch(/has 2 requests waiting/);
      expect(replies.filter(({ status }) => status === 200).length).toBe(12 - refused.length);
    });
  });
});

test('a model that is dropped into the running repository serves; a version that is added becomes the default', async () => {
  mkdirSync(join(folder, 'live'));
  cpSync(join(inject('repository'), 'identity_fp32'), join(folder, 'live', 'first'), { recursive: true });
  await withServer({ MODEL_REPOSITORY: join(folder, 'live') }, async (server) => {
    expect((await server.call('/v2/models/added/ready')).status).toBe(404);
    mkdirSync(join(folder, 'live/added'));
    writeFileSync(join(folder, 'live/added/config.pbtxt'), 'version_policy: { all { } }');
    copyModel('add_sub', 'live/added/3');
    expect((await server.call('/v2/models/added/ready')).status).toBe(200);
    expect(JSON.parse((await server.call('/v2/models/added')).text)).toMatchObject({ versions: ['3'] });
    copyModel('identity_fp32', 'live/added/10');
    await expect.poll(async () => JSON.parse((await infer(server, 'added', input)).text).model_version).toBe('10');
    expect((await server.call('/v2/models/added/versions/3/ready')).status).toBe(200);
    // A broken newest version: the one before goes on serving.
    mkdirSync(join(folder, 'live/added/11'));
    writeFileSync(join(folder, 'live/added/11/model.onnx'), 'no model');
    await expect.poll(async () => (await server.call('/v2/models/added/versions/11/ready')).status).toBe(503);
    expect(JSON.parse((await infer(server, 'added', input)).text).model_version).toBe('10');
  });
});

test('without a model that serves, the server is live but not ready', async () => {
  mkdirSync(join(folder, 'empty'));
  await withServer({ MODEL_REPOSITORY: join(folder, 'empty') }, async (server) => {
    expect((await server.call('/v2/health/live')).status).toBe(200);
    const { status, text } = await server.call('/v2/health/ready');
    expect([status, JSON.parse(text)]).toEqual([503, { error: 'the server is not ready' }]);
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('answers the requests under way, takes no new ones, and ends with code 0', async () => {
    const server = await startServer({ MODEL_REPOSITORY: inject('repository') });
    const slow = await ones(server, 'slow_matmul');
    // Under way is what the server has begun to read: it then asks for the body.
    const headers = { Expect: '100-continue' };
    const calls = Array.from({ length: 8 }, () =>
      request(`${server.url}/v2/models/slow_matmul/infer`, { method: 'POST', agent: false, headers }),
    );
    const asked = calls.map((call) => once(call, 'continue'));
    for (const call of calls) call.flushHeaders();
    await Promise.all(asked);
    const replies = calls.map(async (call) => (await once(call, 'response')) as [IncomingMessage]);
    for (const call of calls) call.end(JSON.stringify({ inputs: slow }));
    server.process.kill(signal);
    const exited = once(server.process, 'exit');
    for (const [reply] of await Promise.all(replies)) {
      expect(reply.statusCode).toBe(200);
      expect(JSON.parse(await text(reply)).model_name).toBe('slow_matmul');
    }
    await expect(server.call('/v2')).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    expect((await exited)[0]).toBe(0);
  });
});
