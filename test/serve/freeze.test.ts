// Lambda freezes a process between two requests, for any time. What it knew is old then, and its connections are dead.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { startLocalAws } from '../setup/local-aws.ts';

/** What is known is taken for current for 30 s. */
const LONG_MS = 31_000;

test('after a long freeze the live version answers; while S3 does not answer, the last good one, at once', {
  timeout: 300_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-freeze-'));
  const aws = await startLocalAws();
  Object.assign(process.env, aws.env);
  const s3 = new S3Client({ forcePathStyle: true });
  const put = (Key: string, Body: string | Uint8Array) =>
    s3.send(new PutObjectCommand({ Bucket: 'frozen', Key, Body }));
  await s3.send(new CreateBucketCommand({ Bucket: 'frozen' }));
  const model = readFileSync(join(inject('repository'), 'identity_fp32/1/model.onnx'));
  for (const version of ['1', '2']) await put(`m/${version}/model.onnx`, model);
  await put('m/release.json', '{"live": "1"}');
  await put('cold/1/model.onnx', model);

  // Between the function and S3: connections can be cut, and be left without an answer.
  const sockets = new Set<Socket>();
  let isSilent = false;
  const gate = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    if (isSilent) return;
    const { hostname, port } = new URL(aws.endpoint);
    const upstream = connect(Number(port), hostname);
    sockets.add(upstream.on('error', () => {}));
    socket.pipe(upstream).pipe(socket);
  });
  gate.listen(0, '127.0.0.1');
  await once(gate, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const { port } = gate.address() as { port: number };
  const lambda = spawn(process.execPath, [join(import.meta.dirname, 'lambda-process.ts'), join(folder, 'cache')], {
    env: {
      ...aws.env,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      PATH: process.env.PATH,
      MODEL_REPOSITORY: 's3://frozen',
      PRELOAD_MODELS: 'm',
      REQUEST_TIMEOUT_MS: '6000',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(lambda.stdout)[Symbol.asyncIterator]();
  type Told = { status: number; version?: string; retryAfter?: string; ms: number };
  const ask = async (name = 'm'): Promise<Told> => {
    lambda.stdin.write(`${name}\n`);
    return JSON.parse((await lines.next()).value as string);
  };
  const freeze = async (ms: number): Promise<void> => {
    lambda.kill('SIGSTOP');
    await sleep(ms);
    cut();
    lambda.kill('SIGCONT');
  };

  try {
    expect((await lines.next()).value).toBe('ready');
    expect(await ask()).toMatchObject({ status: 200, version: '1' });
    await put('m/release.json', '{"live": "2"}');
    await freeze(500);
    // What it knows is not old yet.
    expect(await ask()).toMatchObject({ status: 200, version: '1' });
    await freeze(LONG_MS);
    // Each request gives the new version half a second to load: a few of them may still be answered by the old one.
    const versions: string[] = [];
    while (versions.at(-1) !== '200 2' && versions.length < 50) {
      const { status, version } = await ask();
      versions.push(`${status} ${version}`);
    }
    expect(versions).toEqual([...Array(versions.length - 1).fill('200 1'), '200 2']);
    isSilent = true;
    await freeze(LONG_MS);
    const { ms, ...answer } = await ask();
    expect(answer).toMatchObject({ status: 200, version: '2' });
    // Half a second for the look, and room for a busy machine; S3's own time-outs are ten times as long.
    expect(ms).toBeGreaterThanOrEqual(490);
    expect(ms).toBeLessThan(3_000);
    // What was never here can't be served, and the caller is told so before the function's time is over.
    const cold = await ask('cold');
    expect(cold).toMatchObject({ status: 503, retryAfter: '1' });
    expect(cold.ms).toBeLessThan(20_000);
    isSilent = false;
    cut();
    await expect.poll(() => ask('cold'), { timeout: 60_000 }).toMatchObject({ status: 200, version: '1' });
  } finally {
    lambda.kill('SIGKILL');
    cut();
    gate.close();
    await aws.stop();
    rmSync(folder, { recursive: true });
  }
});
