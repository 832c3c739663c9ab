// With SnapStart one process is started, copied, and goes on as many, hours later: what must not be in the copies.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createGate, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { build } from 'esbuild';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { readLambdaSettings } from '../../functions/serve/lambda-env.ts';
import { startLambdaService } from '../../functions/serve/lambda-service.ts';
import { startLocalAws } from '../setup/local-aws.ts';

const HOUR_MS = 3_600_000;
const ROOT = join(import.meta.dirname, '../..');

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('no connection, no old credentials, no old list of versions', async () => {
  const aws = await startLocalAws();
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-snapshot-'));
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  const s3 = new S3Client({ forcePathStyle: true, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
  const put = (Key: string, Body: string | Uint8Array) =>
    s3.send(new PutObjectCommand({ Bucket: 'restored', Key, Body }));
  await s3.send(new CreateBucketCommand({ Bucket: 'restored' }));
  const model = readFileSync(join(inject('repository'), 'identity_fp32/1/model.onnx'));
  for (const version of ['1', '2']) await put(`m/${version}/model.onnx`, model);
  await put('m/release.json', '{"live": "1"}');

  const sockets = new Set<Socket>();
  let connections = 0;
  const gate = createGate((socket) => {
    connections++;
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    const { hostname, port } = new URL(aws.endpoint);
    const upstream = connect(Number(port), hostname).on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  // Where Lambda gives credentials to functions that start from a snapshot.
  let asked = 0;
  const credentials = createServer((_request, response) => {
    asked++;
    const Expiration = new Date(Date.now() + HOUR_MS).toISOString();
    response.end(JSON.stringify({ AccessKeyId: 'test', SecretAccessKey: 'test', Token: 'test', Expiration }));
  });
  vi.stubEnv('AWS_ENDPOINT_URL', await listening(gate));
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', await listening(credentials));
  vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN', 'a-token');
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE']) {
    vi.stubEnv(name, undefined);
  }
  const silent = { info() {}, warn() {}, error() {} };
  try {
    const handle = await startLambdaService(
      readLambdaSettings({ MODEL_REPOSITORY: 's3://restored', PRELOAD_MODELS: 'm' }),
      { memoryMb: 1769, cache: join(folder, 'cache'), isForSnapshot: true },
      silent,
      () => {},
    );
    const answer = async (): Promise<string> => {
      const body = '{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"FP32","data":[1]}]}';
      const path = '/v2/models/m/infer';
      const event = { httpMethod: 'POST', path, multiValueHeaders: {}, body, isBase64Encoded: false };
      const result = await handle(event, { awsRequestId: 'a-request' });
      return `${result.statusCode} ${JSON.parse(result.body).model_version}`;
    };
    const atStart = connections;
    expect(atStart).toBeGreaterThan(0);
    expect(asked).toBe(1);
    await expect.poll(() => sockets.size).toBe(0);
    // The model is in the snapshot.
    expect(await answer()).toBe('200 1');
    expect(connections).toBe(atStart);

    await put('m/release.json', '{"live": "2"}');
    // The machine's own clock stands still between a snapshot and what comes of it; the time of day does not.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * HOUR_MS });
    await expect.poll(answer).toBe('200 2');
    expect(connections).toBeGreaterThan(atStart);
    expect(asked).toBe(2);
  } finally {
    for (const socket of sockets) socket.destroy();
    gate.close();
    credentials.close();
    await aws.stop();
    rmSync(folder, { recursive: true });
  }
});

test('ids are made one by one: Node keeps a supply of them, which each copy would use up again', async () => {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['functions/serve/lambda.ts'],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true,
  });
  const ours = Object.keys(metafile.inputs).filter((path) => path.startsWith('functions/'));
  expect(ours).toContain('functions/http/app.ts');
  const calls = ours.flatMap((path) => readFileSync(join(ROOT, path), 'utf8').match(/randomUUID\(.*?\)/g) ?? []);
  expect(new Set(calls)).toEqual(new Set(['randomUUID({ disableEntropyCache: true })']));
});
